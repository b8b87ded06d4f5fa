"""What strangers' files tell is text, whatever it looks like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dqn_port.exports.league import league
from dqn_port.exports.report import suite_scores, write_report, write_suite_report
from tests.exports.report.building import clip_of, evaluation_of, run_of, seen_of
from tests.exports.report.reading import read_page


@pytest.fixture
def path(tmp_path):
    return tmp_path / "report.html"


HOSTILE = "<script>alert('x')</script>\"' onload=x </style></svg>]]>{{ 1 }}&amp;\ud800"


def strangers_page(path, text):
    """Write the page of a run whose files tell ``text`` wherever they tell a text."""
    run = run_of(name=text, game=text)
    told = dict.fromkeys(("device", "platform", "threads", "created", "rom_md5"), text)
    run = replace(
        run,
        about=run.about | told | {"versions": {text: text}},
        arguments=run.arguments
        | {text: text, "framework": {text: [text]}, "steps": text, "eval_steps": text},
        arguments_hash=text,
        snapshot=Path(text),
    )
    evaluation = evaluation_of(
        run,
        rom_md5=text,
        snapshot=text,
        snapshot_sha256=text,
        versions={text: "1"},
        clip=clip_of(),
        seen=seen_of(),
    )
    write_report(path, run, [evaluation])
    return read_page(path)


def test_a_runs_page_is_escaped(path):
    # It begins as the other does, for the same order of rows.
    harmless = strangers_page(path, "< harmless")
    page = strangers_page(path, HOSTILE)
    shown = HOSTILE.replace("\ud800", "\\ud800")
    assert f"{shown} {shown} · seed 1" in page.text
    assert [HOSTILE.split("<")[1] in row[0] for row in page.rows].count(True) == 2
    assert "<script" not in path.read_text(encoding="utf-8")
    # Whatever they tell, it is text: the page has the same elements, with the same attributes.
    assert page.shape == harmless.shape


def test_a_suites_page_is_escaped(path, tmp_path):
    def written(text):
        run = run_of(1, game=text, name=text)
        folder = tmp_path / text.replace("/", "")
        folder.mkdir()
        (folder / "report-x.html").write_text("<p>mine</p>")
        evaluation = evaluation_of(run, folder=folder / "evaluation-x", snapshot=text)
        runs = [(run, [evaluation]), (run, [])]
        write_suite_report(path, runs, league(suite_scores(runs)), title=text)
        return read_page(path)

    harmless = written("harmless")
    hostile = HOSTILE.removesuffix("\ud800")
    page = written(hostile)
    assert "<script" not in path.read_text()
    assert page.text.startswith(hostile)
    assert page.shape == harmless.shape
    assert len(page.all("a")) == 1
