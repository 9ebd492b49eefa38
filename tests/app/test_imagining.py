from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from uat_lightning.cli import main


@pytest.fixture
def place(tiny_pipeline_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tiny_pipeline_folder.parent)
    return tiny_pipeline_folder.parent


def imagined(*more: str) -> None:
    main(["imagine", "--model=model", "--seconds=0.4", "--steps=3", *more])


def test_audio_and_caption_lie_side_by_side_and_are_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imagined("--count=2", "--seed=5", "--out=made/it.wav")
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    for number, (name, caption) in enumerate(lines[1::2]):
        assert Path(name) == Path(f"made/it-{number + 1}.wav")
        assert soundfile.info(name).duration == pytest.approx(0.4, abs=0.001)
        told = json.loads(Path(name).with_suffix(".json").read_text())
        assert (told["task"], told["caption"], told["seed"]) == ("imagine", caption, 5 + number)
        assert told["settings"] == {"seconds": 0.4, "steps": 3}
        assert len(told["model"]["weights_sha256"]) == 64
    assert len(lines) == 4


def test_a_result_is_the_same_alone(place: Path) -> None:
    imagined("--count=3", "--batch_size=3", "--out=three.wav")
    imagined("--seed=2", "--out=one.wav")
    together, alone = (json.loads(Path(name).read_text()) for name in ("three-3.json", "one.json"))
    assert together["caption"] == alone["caption"]


@pytest.mark.parametrize(
    ("option", "line"),
    [("--steps=0", "steps must be at least 1"), ("--seconds=601", "up to 600"), ("--count=0", "count must be above 0")],
)
def test_what_cannot_be_imagined_is_refused(place: Path, capsys, option: str, line: str) -> None:
    with pytest.raises(SystemExit) as left:
        imagined(option)
    assert left.value.code == 2
    assert line in capsys.readouterr().err
    assert not list(place.glob("*.wav"))
