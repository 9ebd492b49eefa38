"""`uat caption` with samplers, candidates and given words, and `uat score`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from uat_lightning.app.captioning import how_many, text_sampler
from uat_lightning.cli import main
from uat_lightning.diffusion import MaskedAbsorbing, NextToken
from uat_lightning.sampling import Ancestral, ConfidenceOrder, FirstHitting, LeftToRight, Writing


@pytest.fixture
def place(tiny_pipeline_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a model and two sounds of a second."""
    monkeypatch.chdir(tiny_pipeline_folder.parent)
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 16_000))
    for name, samples in zip(("a.wav", "b.wav"), noise, strict=True):
        soundfile.write(name, samples, 16_000)
    return tiny_pipeline_folder.parent


def told(capsys: pytest.CaptureFixture[str], *args: str) -> list[list[str]]:
    main([args[0], *args[1:], "--model=model"])
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as left:
        main([args[0], *args[1:], "--model=model"])
    assert left.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "sampler", ["ConfidenceThreshold", "EntropyBound", "FirstHitting", "Ancestral", "ReMDM", "LeftToRight"]
)
def test_a_sampler_can_be_named(place: Path, capsys: pytest.CaptureFixture[str], sampler: str) -> None:
    args = ["caption", "a.wav", f"--sampler={sampler}", "--steps=3", "--seed=4"]
    first = told(capsys, *args, "--out=said.jsonl")
    assert first == told(capsys, *args)
    assert json.loads(Path("said.json").read_text())["settings"]["sampler"] == sampler


@pytest.mark.parametrize("choose", ["both", "bayes", "likelihood"])
def test_the_best_of_several_is_written(place: Path, capsys: pytest.CaptureFixture[str], choose: str) -> None:
    args = ["caption", "--steps=2", "--candidates=2", f"--choose={choose}"]
    together = told(capsys, *args, "a.wav", "b.wav")
    assert [name for name, _ in together] == ["a.wav", "b.wav"]
    assert together[:1] == told(capsys, *args, "a.wav")


def test_several_are_written_where_nobody_says_how_many(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "caption", "a.wav", "--steps=2", "--out=said.jsonl")
    settings = json.loads(Path("said.json").read_text())["settings"]
    assert (settings["candidates"], settings["choose"]) == (16, "both")
    assert said == told(capsys, "caption", "a.wav", "--steps=2", "--candidates=16", "--choose=both")
    assert [
        how_many(None, heat, given) for heat, given in ((None, None), (0.7, None), (0.0, None), (None, "a ___"))
    ] == [16, 16, 1, 1]


def test_given_words_are_completed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "caption", "a.wav", "b.wav", "--given=a ___ rings", "--out=said.jsonl")
    assert [name for name, _ in lines] == ["a.wav", "b.wav"]
    for _, text in lines:
        assert text.startswith("a")
        assert text.endswith("rings")
    assert json.loads(Path("said.json").read_text())["settings"]["given"] == "a ___ rings"


def test_what_cannot_be_captioned_so_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "write ___" in refused(capsys, "caption", "a.wav", "--given=a bell rings")
    assert "31 fit" in refused(capsys, "caption", "a.wav", f"--given=___ {'bell rings ' * 40}")
    assert "do not go together" in refused(capsys, "caption", "a.wav", "--given=a ___", "--candidates=2")
    assert "all alike" in refused(capsys, "caption", "a.wav", "--candidates=2", "--temperature=0")
    assert "candidates must be at least 1" in refused(capsys, "caption", "a.wav", "--candidates=0")


@pytest.mark.parametrize("measure", ["Score", "PerToken", "PointwiseInformation", "AudioLikelihood", "BothDirections"])
def test_score_tells_every_pair_the_best_text_first(
    place: Path, capsys: pytest.CaptureFixture[str], measure: str
) -> None:
    Path("texts.txt").write_text("rain falls\n\na dog barks\n")
    args = ["a.wav", "b.wav", "--text=a bell", "--texts=texts.txt", "--strata=2", f"--measure={measure}"]
    lines = told(capsys, "score", *args)
    assert [name for name, _, _ in lines] == ["a.wav"] * 3 + ["b.wav"] * 3
    for some in (lines[:3], lines[3:]):
        assert {text for _, _, text in some} == {"rain falls", "a dog barks", "a bell"}
        assert [float(value) for _, value, _ in some] == sorted((float(v) for _, v, _ in some), reverse=True)


def test_what_cannot_be_scored_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing to score" in refused(capsys, "score", "a.wav")
    assert "no sound file" in refused(capsys, "score", "--text=rain")
    assert "caption is empty" in refused(capsys, "score", "a.wav", "--text= ")
    assert "strata must be above 0" in refused(capsys, "score", "a.wav", "--text=rain", "--strata=0")


def test_a_sampler_gets_the_settings_that_it_has() -> None:
    masked = Writing.of(MaskedAbsorbing())
    order, hitting, ancestral = (
        text_sampler(name, 7, None, several=False, writing=masked)
        for name in ("ConfidenceOrder", "FirstHitting", "Ancestral")
    )
    assert isinstance(order, ConfidenceOrder)
    assert (order.steps, order.temperature) == (7, 0.0)
    assert isinstance(hitting, FirstHitting)
    assert hitting.temperature == 1.0
    assert isinstance(ancestral, Ancestral)
    assert ancestral.steps == 7
    several = text_sampler(None, 7, None, several=True, writing=masked)
    assert isinstance(several, ConfidenceOrder)
    assert several.temperature == 1.0


def test_a_model_that_writes_from_left_to_right_has_its_own_sampler_and_takes_no_other() -> None:
    forwards = Writing.of(NextToken())
    own = text_sampler(None, 7, 0.5, several=False, writing=forwards)
    assert isinstance(own, LeftToRight)
    assert own.temperature == 0.5
    with pytest.raises(ValueError, match="ConfidenceOrder cannot write with it, LeftToRight can"):
        text_sampler("ConfidenceOrder", 7, None, several=False, writing=forwards)
