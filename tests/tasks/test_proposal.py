"""Captions around a name that somebody says is heard, and edits that need one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import Euler, Guidance
from uat_lightning.sampling.editing import FlowEdit
from uat_lightning.tasks import Caption, Edit, Parts, Score, Source
from uat_lightning.tasks.proposal import Proposal
from uat_lightning.tasks.texts import Texts, ToldTexts
from uat_lightning.text import Said, WordPointing
from uat_lightning.text.phrases import Phrases
from uat_lightning.types import Sequences


class Listed(Score):
    """Gives scores from a list, to whatever is scored."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = scores

    def of_latents(self, parts: Parts, audio: Sequences, text: Sequences, seed: int = 0) -> Tensor:
        return torch.tensor(self.scores[: len(text)], dtype=torch.float64)


class Rain(Caption):
    """Hears rain in everything."""

    def write(self, parts, audio, seed=0, first=0):
        return ["rain falls"] * len(audio)


@pytest.fixture(autouse=True)
def by_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained network takes a bell for rain as well as for anything."""
    monkeypatch.setattr("uat_lightning.tasks.texts.HeardPointing", lambda parts, audio: WordPointing())


@pytest.fixture
def waveform(clips) -> Tensor:
    return torch.from_numpy(clips[0].audio)[None, :16_000]


def write(parts: Parts, waveform: Tensor, what: str, scores: list[float]) -> str | None:
    return Proposal(score=Listed(scores)).write(parts, parts.listen([waveform]), what, "rain falls", 3)


def test_a_caption_with_the_name_is_taken_where_it_fits_about_as_well(tiny_parts: Parts, waveform: Tensor):
    written = write(tiny_parts, waveform, "the bell", [-20.0, -29.9, -31.0, -31.0])
    assert written is not None
    assert WordPointing().find(Phrases.of(written), "the bell") is not None
    assert written == write(tiny_parts, waveform, "the bell", [-20.0, -29.9, -31.0, -31.0])
    assert write(tiny_parts, waveform, "the bell", [-20.0, -30.1, -31.0, -31.0]) is None


def test_the_best_place_of_the_name_is_taken(tiny_parts: Parts, waveform: Tensor):
    opens, closes = (write(tiny_parts, waveform, "a dog", [0.0, *best]) for best in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]))
    assert opens is not None and opens.startswith("a dog ")
    assert closes is not None and closes.endswith(" a dog")


def test_a_name_that_does_not_fit_the_canvas_is_not_heard(tiny_parts: Parts, waveform: Tensor):
    assert write(tiny_parts, waveform, "bell " * 60, [0.0] * 4) is None


def texts(parts: Parts, waveform: Tensor, kind: type[Texts], given: str | None, margin: float) -> Texts:
    audio, wish = parts.listen([waveform]), Said("replace the bell with a dog")
    return kind(parts, audio, [0], [given], [wish], Rain(), 0, Proposal(margin=margin))


def test_an_instruction_is_followed_where_what_it_names_is_heard_after_all(tiny_parts: Parts, waveform: Tensor):
    heard = texts(tiny_parts, waveform, Texts, None, math.inf)
    (target,), (source,) = heard.targets, heard.sources
    assert heard.refusals == [None] and "a dog" in target
    assert WordPointing().find(Phrases.of(source), "the bell") is not None
    deaf = texts(tiny_parts, waveform, Texts, None, -math.inf)
    assert deaf.targets == deaf.sources == ["rain falls"]
    assert "'the bell' names nothing that is heard: the caption is 'rain falls'" in str(deaf.refusals[0])


def test_what_somebody_says_is_heard_stays_so(tiny_parts: Parts, waveform: Tensor):
    told = texts(tiny_parts, waveform, Texts, "wind blows", math.inf)
    assert told.refusals[0] is not None and told.sources == ["wind blows"]


def test_beside_the_source_the_words_of_an_instruction_do(tiny_parts: Parts, waveform: Tensor):
    told = texts(tiny_parts, waveform, ToldTexts, None, math.inf)
    assert told.complaints[0] is not None and told.refusals == [None] and told.sources == ["rain falls"]


def test_an_edit_tells_what_it_took_to_be_heard(tiny_parts: Parts, waveform: Tensor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Proposal, "write", lambda self, parts, audio, what, caption, seed: "a bell rings then rain")
    task = Edit(FlowEdit(), Euler(2), Guidance(1.0), caption=Rain())
    sources = [Source(waveform, Said("remove the bell")), Source(waveform, Said("remove the rain and such"), "wind")]
    assert task.heard(tiny_parts, sources) == [["a bell rings then rain"], None]
    (edited,) = task.edit(tiny_parts, sources[:1])
    assert (edited.texts, edited.targets, edited.complaints) == (["a bell rings then rain"], ["rain"], [])
