"""`uat data check`: one walk, three ways to name the clips, three exit codes, a page that stands alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from uat_lightning.cli import main


def add(root: Path, name: str, captions: str, seed: int) -> None:
    root.mkdir(exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).normal(size=8000)
    soundfile.write(root / name, samples, 8000)
    (root / name).with_suffix(".txt").write_text(captions)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    for number in range(5):
        add(folder, f"{number}.wav", f"sound <b>{number}</b> & more", number)
    return folder


def check(*args: object) -> int:
    """Return the exit code of `uat data check`."""
    try:
        main(["data", "check", *map(str, args), "--workers", "0"])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_healthy_folder_ends_with_0(root, capsys):
    assert check("--root", root) == 0
    shown = capsys.readouterr()
    assert "Nothing wrong was found." in shown.out and "5 clips read" in shown.out
    assert "clips/s" in shown.err


def test_what_hurts_ends_with_1_and_is_named(root, capsys):
    (root / "3.wav").write_text("no sound")
    assert check("--root", root) == 1
    shown = capsys.readouterr().out
    assert "HURTS  Clips that cannot be read: 1." in shown and "3.wav cannot be decoded" in shown


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "nothing to check: name a manifest"),
        (["--root", "nowhere"], "no folder nowhere"),
        (["none.jsonl"], "none.jsonl cannot be read"),
        (["--root", ".", "--longest", "0"], "longest must be above 0"),
        (["--root", ".", "--out", "report.txt"], "its name must end in"),
        (["--config", "nosuch.yaml"], "no config nosuch.yaml"),
        (["--root", ".", "--nonsense", "1"], "nonsense"),
    ],
)
def test_wrong_input_ends_with_2_and_one_line(args, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check(*args) == 2
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 1 and words in shown[0]


def test_the_report_is_three_files_that_hold_everything(root, tmp_path):
    (root / "0.wav").write_text("no sound")
    (root / "5.txt").write_text("a twin")
    (root / "5.wav").write_bytes((root / "4.wav").read_bytes())
    page = tmp_path / "new" / "report.html"
    assert check("--root", root, "--out", page) == 1
    record = json.loads(page.with_suffix(".json").read_text())
    assert record["clips"] == 6 and [clip["uid"] for clip in record["unreadable"]] == ["0.wav"]
    assert len(record["overlap"]["sounds_several_times_in_a_split"]) == 1
    lines = [json.loads(line) for line in page.with_suffix(".clips.jsonl").read_text().splitlines()]
    assert [line["uid"] for line in lines] == [f"{number}.wav" for number in range(6)]
    assert "problem" in lines[0] and 3500 < lines[1]["bandwidth"] <= 4000
    assert {file.name for file in page.parent.iterdir()} == {"report.html", "report.json", "report.clips.jsonl"}
    html = page.read_text()
    assert "cannot be decoded" in html and "Not fit for training" in html and "5.wav" in html
    assert "http" not in html and "<script" not in html  # stands alone


def test_names_and_captions_cannot_write_into_the_page(root, tmp_path):
    for name in ("<script>alert(1)<!--.wav", "-x.wav", "a\nb.wav"):
        (root / name).with_suffix(".txt").write_text("<img src=x onerror=alert(1)>")
        (root / name).write_text("no sound")
    add(root, "<i>.wav", "<img src=x onerror=alert(1)>", 9)
    add(root, "<u>.wav", "<img src=x onerror=alert(1)>", 9)
    assert check("--root", root, "--out", tmp_path / "r.html") == 1
    html = (tmp_path / "r.html").read_text()
    assert "<script>alert" not in html and "<img" not in html and "&lt;img" in html


def test_manifests_name_splits_and_sources(root, tmp_path, capsys):
    for name, split in (("a", "train"), ("b", "test")):
        (tmp_path / f"{name}.csv").write_text(f"audio,caption,split\n1.wav,one,{split}\n")
    assert check(tmp_path / "a.csv", tmp_path / "b.csv", "--root", root, "--out", tmp_path / "r.html") == 1
    assert "Files with clips in more than one split: 1" in capsys.readouterr().out
    record = json.loads((tmp_path / "r.json").read_text())
    assert [(split["source"][-5:], split["split"]) for split in record["splits"]] == [
        ("a.csv", "train"),
        ("b.csv", "test"),
    ]


def test_the_clips_of_a_training_are_checked_by_its_config(root, capsys):
    assert check("--config", "folder.yaml", "--data.root", root, "--data.validation_share", "0.4") == 0
    shown = capsys.readouterr().out
    assert "folder  train" in shown and "folder  validation" in shown
    assert check("--config=folder.yaml", f"--data.root={root}", "--data.longest_file", "0.5") == 1
    assert "more than the 0.5 s" in capsys.readouterr().out


def test_data_that_lists_no_files_is_refused(capsys):
    assert check("--config", "quickstart.yaml") == 2
    assert "lists no sound files" in capsys.readouterr().err


def test_the_room_tells_its_commands(capsys):
    main(["data"])
    assert "check" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(["data", "mend"])
    assert stop.value.code == 2 and "choose among check" in capsys.readouterr().err


def test_the_real_pairs_are_fit(shared, tmp_path):
    folder = shared / "data"
    assert check(folder / "pairs" / "manifest.jsonl", "--root", folder, "--out", tmp_path / "r.html") == 0
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["clips"] == 25 and record["unreadable"] == []
    assert sum(split["captions"]["captions"] for split in record["splits"]) == 117
