"""What a run is called, and flags that belong together."""

from __future__ import annotations

from tests.cli.running import run, write_toy


def test_best_without_a_snapshot_means_nothing_and_is_refused(capsys, tmp_path):
    result = run(capsys, "train", "--args", write_toy(tmp_path), "--best", "--out", tmp_path)
    assert result.code == 2
    assert result.error == ("--best: expected --network FILE with it, the snapshot to take it from")


def test_a_game_given_elsewhere_than_in_the_file_has_a_run_of_its_own(capsys, tmp_path):
    path = write_toy(tmp_path)
    words = ["train", "--args", path, "--quiet", "--out", tmp_path, "--set", "steps=50"]
    assert run(capsys, *words).code == 0
    assert run(capsys, *words, "--", "-env", "toyC").code == 0
    assert (tmp_path / "toy" / "toy.t7").exists()
    assert (tmp_path / "toy_toyC" / "toy_toyC.t7").exists()
