"""One chain for all tests that look at what it leaves."""

from __future__ import annotations

import shutil

import pytest

from pipelines import TrainEvalReport
from tests.cli.running import write_toy
from tests.pipelines.running import Chain, luigi_as_it_was, processes


@pytest.fixture(autouse=True)
def luigi_is_left_as_it_was():
    with luigi_as_it_was():
        yield


@pytest.fixture(scope="package")
def first_chain(tmp_path_factory):
    """A finished chain of the toy game, by the words of the issue; nobody changes it."""
    folder = tmp_path_factory.mktemp("chain")
    args = write_toy(folder)
    words = ("TrainEvalReport", "--args-file", args, "--out", folder / "out", "--episodes", "2")
    with processes(folder / "work") as started:
        code = started.luigi(*words, "--local-scheduler").wait(120)
        log = started.log()
        assert code == 0, log
        assert started.alive() == []
    task = TrainEvalReport(args_file=str(args), out=str(folder / "out"), episodes=2)
    return Chain(task, log, words)


@pytest.fixture
def chain(first_chain, tmp_path):
    """A copy of the finished chain, to be changed."""
    shutil.copytree(first_chain.task.out, tmp_path / "out", symlinks=True)
    task = first_chain.task.clone(out=str(tmp_path / "out"))
    return Chain(task, first_chain.log, first_chain.words)
