"""``dqn-port report``."""

from __future__ import annotations

import shutil

import pytest

from tests.cli.running import run, write_toy
from tests.exports.report.reading import charts_of, read_page


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two runs, one of them evaluated beside itself."""
    from dqn_port.runs.run import Run
    from dqn_port.systems.lua_dqn.setup import load_options
    from dqn_port.systems.lua_dqn.system import SYSTEM
    from dqn_port.tools.record import record_evaluation

    folder = tmp_path_factory.mktemp("report")
    for name, seed in (("one", 1), ("two", 2)):
        opt = load_options(args_file=write_toy(folder, name=name, seed=seed))
        for _ in Run(SYSTEM, opt, folder).train("cpu"):
            pass
        record_evaluation(folder / name / f"{name}.t7", folder / f"of_{name}", episodes=2)
    shutil.copytree(folder / "of_one", folder / "evaluation-one")
    return folder


def test_a_run_with_the_evaluations_beside_it(capsys, trained, tmp_path):
    path = tmp_path / "one.html"
    result = run(capsys, "report", trained / "one", "-o", path)
    assert (result.code, result.err, result.out) == (0, "", f"1 run, 1 evaluation: {path}\n")
    page = read_page(path)
    assert page.text.startswith("toyB · one DQN: a training and its results toyB one · seed 1")
    assert "None recorded" not in page.text
    assert "Values and returns" in page.text
    assert len(page.all("img")) > 2
    assert charts_of(path)
    before = path.read_bytes()
    assert run(capsys, "report", trained / "one", "-o", path).code == 0
    assert path.read_bytes() == before
    # Evaluations of another run's snapshot are not taken.
    result = run(capsys, "report", trained / "two", "-o", path)
    assert (result.code, result.out) == (0, f"1 run, 0 evaluations: {path}\n")
    assert "None recorded" in read_page(path).text


def test_an_evaluation_that_is_named(capsys, trained, tmp_path):
    path = tmp_path / "two.html"
    words = ["report", trained / "two", "-o", path, "--evaluation"]
    result = run(capsys, *words, trained / "of_two")
    assert (result.code, result.out) == (0, f"1 run, 1 evaluation: {path}\n")
    result = run(capsys, *words, trained / "of_one")
    assert result.code == 1
    assert result.error.startswith(
        f"{trained / 'of_one'}: expected the evaluation of a snapshot of {trained / 'two'}; got "
        "that of one.t7 with sha256 "
    )


def test_several_runs_are_a_suite(capsys, trained, tmp_path):
    path = tmp_path / "suite.html"
    words = ["report", trained / "one", trained / "two", "-o", path, "--title", "Toys & more"]
    words += ["--evaluation", trained / "of_two", "--evaluation", trained / "of_one"]
    result = run(capsys, *words)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"2 runs, 2 evaluations: {path}\n"
    page = read_page(path)
    assert page.text.startswith("Toys & more ")
    assert page.rows[1][0] == "toyB"
    assert page.rows[1][4] == "2"
    assert "seed 1 seed 2" in page.text
    result = run(capsys, *words[:3], "-o", path, "--evaluation", tmp_path)
    assert result.code == 1
    assert result.error == (
        f"{tmp_path / 'evaluation.json'}: cannot be read: No such file or directory; name an "
        "evaluation's folder, or record it again"
    )


def test_a_damaged_evaluation_is_one_line(capsys, trained, tmp_path):
    for name in ("one", "evaluation-one"):
        shutil.copytree(trained / name, tmp_path / name)
    (tmp_path / "evaluation-one" / "clip.webp").write_bytes(b"")
    result = run(capsys, "report", tmp_path / "one", "-o", tmp_path / "one.html")
    assert (result.code, result.out) == (1, "")
    assert result.error == (
        f"{tmp_path / 'evaluation-one' / 'clip.webp'}: its sha256 is not the one in "
        "evaluation.json; it is damaged, record it again"
    )
    assert not (tmp_path / "one.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (
            ["{0}/one", "-o", "{1}/a.txt"],
            2,
            "--out: expected the name of a file ending in .html, got '{1}/a.txt'",
        ),
        (
            ["{0}/one", "-o", "{1}/no/a.html"],
            1,
            "--out {1}/no/a.html: its folder does not exist; make it first",
        ),
        (
            ["{1}", "-o", "{1}/a.html"],
            1,
            "{1}: expected a run's folder, got none with args.json",
        ),
        (
            ["-o", "{1}/a.html"],
            2,
            "missing argument 'RUN...'; see `dqn-port report --help`",
        ),
        (
            ["{0}/one"],
            2,
            "missing option '-o' / '--out'; see `dqn-port report --help`",
        ),
    ],
)
def test_faults(capsys, trained, tmp_path, words, code, fault):
    result = run(capsys, "report", *(word.format(trained, tmp_path) for word in words))
    assert (result.code, result.out) == (code, "")
    assert result.error == fault.format(trained, tmp_path)
    assert list(tmp_path.iterdir()) == []
