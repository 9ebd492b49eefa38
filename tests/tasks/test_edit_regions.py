"""Edits within regions, in windows, after instructions: the task around the methods."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from uat_lightning.diffusion import VPCosine
from uat_lightning.sampling import Euler, Guidance
from uat_lightning.sampling.editing import FlowEdit, Inpainting, Inversion, SDEdit, TextFlow, VelocityDifference
from uat_lightning.sampling.solvers import Velocity
from uat_lightning.tasks import Caption, ChosenEdit, Decoded, Edit, Parts, SoftMask, Source, Spans
from uat_lightning.tasks.heard import HeardPointing
from uat_lightning.tasks.score import Score
from uat_lightning.text import Phrases, read_instruction
from uat_lightning.types import Sequences

RATE = 16_000


@pytest.fixture
def waveform(clips) -> Tensor:
    return torch.from_numpy(clips[0].audio)[None, :RATE]


def task(method=None, **more) -> Edit:
    return Edit(method or FlowEdit(0.9), Euler(4), Guidance(2.0), **more)


@pytest.mark.parametrize("method", [SDEdit(), Inversion(0.9), FlowEdit(), Inpainting()])
def test_only_a_region_changes_and_the_edges_fade(tiny_parts: Parts, waveform: Tensor, method):
    source = Source(waveform, "rain falls", "a bell rings", Spans([(0.25, 0.5)], fade=0.05))
    for parts in (tiny_parts, replace(tiny_parts, process=VPCosine())):
        (edited,) = task(method, rendering=Decoded()).edit(parts, [source])
        changed = (edited.audio != waveform)[0]
        assert not changed[: RATE // 4].any() and not changed[RATE // 2 :].any()
        assert changed[RATE // 4 + 1000 : RATE // 2 - 1000].float().mean() > 0.95


def test_rows_with_and_without_a_region_equal_themselves_alone(tiny_parts: Parts, waveform: Tensor):
    sources = [
        Source(waveform, "rain falls", "a bell rings"),
        Source(waveform[:, :9000], "rain falls", None, Spans([(0.1, 0.3)])),
        Source(waveform, read_instruction("add a dog"), "wind blows"),
    ]
    together = task().edit(tiny_parts, sources, seed=3)
    for row, source in enumerate(sources):
        (alone,) = task().edit(tiny_parts, [source], seed=3, first=row)
        torch.testing.assert_close(together[row].audio, alone.audio, rtol=0, atol=1e-3)
        assert (together[row].targets, together[row].texts) == (alone.targets, alone.texts)
    assert together[2].targets == ["wind blows with a dog"]


def test_what_lies_behind_the_end_is_continued(tiny_parts: Parts, waveform: Tensor):
    longer = torch.nn.functional.pad(waveform, (0, RATE // 2))
    source = Source(longer, "rain falls", region=Spans([(1.0, 1.5)]))
    (edited,) = task(Inpainting(rounds=2)).edit(tiny_parts, [source])
    assert torch.equal(edited.audio[:, :RATE], waveform)
    assert edited.audio[:, RATE + 1000 :].abs().mean() > 1e-4


def test_a_short_source_in_one_window_is_edited_as_without_windows(tiny_parts: Parts, waveform: Tensor):
    whole, windowed = (
        task(window=window).edit(tiny_parts, [Source(waveform, "rain", "a bell")])[0].audio for window in (None, 2.0)
    )
    assert torch.equal(whole, windowed)


def test_a_long_source_is_edited_in_windows_with_texts_of_their_own(tiny_parts: Parts, waveform: Tensor):
    source = Source(waveform.repeat(1, 3), "rain")
    (edited,) = task(window=1.0).edit(tiny_parts, [source])
    assert edited.audio.shape == (1, 3 * RATE)
    assert len(edited.targets) == len(edited.texts) == 4
    (again,) = task(window=1.0).edit(tiny_parts, [replace(source, text=edited.texts, target=edited.targets)])
    torch.testing.assert_close(again.audio, edited.audio, rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="there are 2 texts for 4 windows"):
        task(window=1.0).edit(tiny_parts, [replace(source, text=["rain", "wind"])])


def test_an_instruction_is_followed_in_the_windows_where_it_can_be(tiny_parts: Parts, waveform: Tensor):
    source = Source(waveform.repeat(1, 2), read_instruction("remove the bell"), ["", "a bell with rain", ""])
    (edited,) = task(window=1.0).edit(tiny_parts, [source])
    assert edited.targets == ["", "rain", ""]
    assert len(edited.complaints) == 2 and "names nothing that is heard" in edited.complaints[0]
    with pytest.raises(ValueError, match="'the bell' names nothing that is heard"):
        task(window=1.0).edit(tiny_parts, [replace(source, text="")])


def test_the_model_writes_what_nobody_says_only_where_it_is_asked(tiny_parts: Parts, waveform: Tensor):
    (asked,) = task().edit(tiny_parts, [Source(waveform, "rain")])
    (unasked,) = task(SDEdit()).edit(tiny_parts, [Source(waveform, "rain")])
    (silent,) = task().edit(tiny_parts, [Source(waveform, "rain", "")])
    assert len(asked.texts) == 1 and asked.texts[0]
    assert (unasked.texts, silent.texts) == ([], [""])


def test_evaluations_are_told(tiny_parts: Parts, waveform: Tensor):
    (edited,) = task(FlowEdit(1.0)).edit(tiny_parts, [Source(waveform, "rain", "wind")])
    assert edited.evaluations == 2 * 4


# Regions that are found.


class TwoTexts(TextFlow):
    """Velocities that differ in some frames only."""

    guidance = Guidance(1.0)

    def __init__(self, difference: Tensor) -> None:
        self.size = difference

    def under_source(self, guidance: Guidance) -> Velocity:
        return lambda latents, t: latents

    def under_target(self, guidance: Guidance) -> Velocity:
        return lambda latents, t: latents + self.size[..., None]


def test_a_region_is_where_the_velocities_differ():
    size = torch.tensor([[0.0, 0.1, 0.45, 1.0, 1.0, 0.1], [2.0, 2.0, 0.0, 9.0, 9.0, 9.0]])
    source, lengths = torch.zeros(2, 6, 3), torch.tensor([6, 3])
    finder = VelocityDifference(draws=1, low=0.3, high=0.6, reach=0)
    mask = finder.find(source, lengths, TwoTexts(size), lambda: torch.randn(2, 6, 3))[..., 0]
    torch.testing.assert_close(mask[0], torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0, 0.0]), rtol=0, atol=1e-5)
    assert mask[1, :3].tolist() == [1.0, 1.0, 0.0]  # padding is no maximum


def test_a_found_region_keeps_the_rest_and_does_not_depend_on_neighbours(tiny_parts: Parts, waveform: Tensor):
    sources = [Source(waveform, "rain", "a bell"), Source(waveform[:, :9000], "wind", "a bell")]
    plain = VelocityDifference(draws=1, low=0.0, high=1.0, reach=0)
    median = float(task(SDEdit(0.0), finder=plain).edit(tiny_parts, sources)[0].region.mask.median())
    finder = VelocityDifference(draws=1, low=median, high=median + 0.05, reach=0)
    together = task(finder=finder).edit(tiny_parts, sources)
    for row, (source, made) in enumerate(zip(sources, together, strict=True)):
        (alone,) = task(finder=finder).edit(tiny_parts, [source], first=row)
        assert isinstance(made.region, SoftMask) and isinstance(alone.region, SoftMask)
        torch.testing.assert_close(made.region.mask, alone.region.mask, rtol=0, atol=1e-3)
        share = made.region.samples(source.audio.shape[1], RATE, tiny_parts.codec)
        assert torch.equal(made.audio[0, share == 0], source.audio[0, share == 0])
        assert row or 0 < (share == 0).float().mean() < 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Spans([(0.5, 0.5)]), "region 0.5:0.5 is none"),
        (lambda: Spans([(-1.0, 0.5)]), "must begin at 0 or later"),
        (lambda: Spans([(2.0, 3.0), (0.0, 2.5)]), "regions overlap at 2 s"),
        (lambda: Spans([(0.0, 1.0)]).check_within(0.5, "it"), "reaches beyond it, which lasts 0.50 s"),
        (lambda: VelocityDifference(levels=()), "levels are noise levels"),
        (lambda: VelocityDifference(low=0.7), "low < high"),
        (lambda: Edit(window=0), "window must be above 0"),
    ],
)
def test_impossible_regions_are_refused(make, says: str):
    with pytest.raises(ValueError, match=says):
        make()


# What is meant, by ear; the best of several.


class ListedScore(Score):
    """Judges by a list."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = scores

    def of_latents(self, parts: Parts, audio: Sequences, text: Sequences, seed: int = 0) -> Tensor:
        return torch.tensor(self.scores[: len(audio)], dtype=torch.float64)


@pytest.mark.parametrize(("scores", "found"), [([-1, -3, -1.2], 1), ([-1, -1.1, -3], 0), ([-1, -2.5, -2.2], None)])
def test_a_name_that_no_phrase_has_is_found_by_ear(tiny_parts: Parts, scores: list[float], found: int | None):
    audio = Sequences(torch.zeros(1, 4, 4), torch.tensor([4]))
    pointing = HeardPointing(tiny_parts, audio, margin=0.7, score=ListedScore(scores))
    assert pointing.find(Phrases.of("rain falls then a bell rings"), "the chime") == found
    assert pointing.find(Phrases.of("rain falls then a bell rings"), "the rain") == 0


def test_of_several_edits_the_one_is_kept_that_deserves_its_text_most(tiny_parts: Parts, waveform: Tensor):
    sources = [Source(waveform, "rain", "a bell"), Source(waveform[:, :9000], "wind", "a bell")]
    chosen = ChosenEdit(task(), candidates=3).edit(tiny_parts, sources, seed=5)
    for row, result in enumerate(chosen):
        seeds = [5 + row + 1_000_003 * number for number in range(3)]
        made = [task().edit(tiny_parts, sources[row : row + 1], seed)[0].audio for seed in seeds]
        scores = Score().run(tiny_parts, made, result.targets * 3, seed=5)
        assert seeds.index(result.seed) == int(scores.argmax())


def test_what_the_model_writes_is_cut_at_the_last_word_that_fits(tiny_parts: Parts, waveform: Tensor):
    class Endless(Caption):
        def write(self, parts, audio, seed=0, first=0):
            return ["rain falls " * 40, "zqxj" * 40][: len(audio)]

    sources = [Source(waveform, "a bell rings"), Source(waveform, "a bell rings")]
    told, unsayable = (made.texts for made in task(FlowEdit(), caption=Endless()).edit(tiny_parts, sources))
    assert told[0].startswith("rain falls rain") and unsayable == [""]
    assert tiny_parts.tokenizer.overlong(told) == [0]
    assert tiny_parts.tokenizer.overlong([told[0] + " falls rain"])[0] > 0


def test_what_is_heard_is_written_once_for_all_candidates(tiny_parts: Parts, waveform: Tensor):
    class Counted(Caption):
        seeds: ClassVar[list[int]] = []

        def write(self, parts, audio, seed=0, first=0):
            self.seeds.append(seed)
            return ["a bell"] * len(audio)

    sources = [Source(waveform, "rain"), Source(waveform[:, :9000], "wind", "a dog barks")]
    chosen = ChosenEdit(task(FlowEdit(), caption=Counted()), candidates=3).edit(tiny_parts, sources, seed=5)
    assert Counted.seeds == [5]
    assert [result.texts for result in chosen] == [["a bell"], ["a dog barks"]]
    told = Source(waveform, "rain", "a bell")
    (again,) = task(FlowEdit()).edit(tiny_parts, [told], chosen[0].seed)
    torch.testing.assert_close(again.audio, chosen[0].audio, rtol=0, atol=1e-5)
