from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from uat_lightning.diffusion import VPCosine
from uat_lightning.sampling import (
    AdamsBashforth,
    ConfidenceOrder,
    DPMSolver2M,
    DPMSolver3MSDE,
    Euler,
    Guidance,
    Heun,
    Midpoint,
    PolyexponentialSchedule,
    ProjectedGuidance,
    RescaledGuidance,
    Solver,
)
from uat_lightning.sampling.editing import SDEdit
from uat_lightning.tasks import Caption, Decoded, Edit, Generate, Parts
from uat_lightning.tasks.base import gaussian, generators
from uat_lightning.types import Pair

CAPTIONS = ["a bell rings", "rain", "a dog barks, then wind"]
SECONDS = [1.0, 0.4, 0.7]


def quick(**changes) -> Generate:
    return Generate(Euler(4), Guidance(2.0), **changes)


@pytest.fixture
def waveforms(clips) -> list[Tensor]:
    return [
        torch.from_numpy(clip.audio)[None, :length]
        for clip, length in zip(clips, (16_000, 6_400, 11_111), strict=False)
    ]


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-3)


def test_a_waveform_is_as_long_as_asked(tiny_parts: Parts):
    for waveform, seconds in zip(quick().run(tiny_parts, CAPTIONS, SECONDS), SECONDS, strict=True):
        assert waveform.shape == (1, round(16_000 * seconds))
        assert waveform.isfinite().all()


def test_the_shortest_duration_is_one_sample(tiny_parts: Parts):
    assert quick().run(tiny_parts, ["rain"], [1e-9])[0].shape == (1, 1)


def test_a_seed_gives_the_same_audio_again_and_another_seed_other_audio(tiny_parts: Parts):
    first, again = (quick().run(tiny_parts, CAPTIONS, SECONDS, seed=3) for _ in range(2))
    other = quick().run(tiny_parts, CAPTIONS, SECONDS, seed=40)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_the_global_random_state_neither_matters_nor_changes(tiny_parts: Parts):
    torch.manual_seed(1)
    first = quick().run(tiny_parts, CAPTIONS, SECONDS)
    state = torch.get_rng_state()
    again = quick().run(tiny_parts, CAPTIONS, SECONDS)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(state, torch.get_rng_state())


def test_a_batch_of_different_durations_equals_its_rows_one_by_one(tiny_parts: Parts):
    together = quick().run(tiny_parts, CAPTIONS, SECONDS, seed=5)
    for row, (caption, seconds) in enumerate(zip(CAPTIONS, SECONDS, strict=True)):
        (alone,) = quick().run(tiny_parts, [caption], [seconds], seed=5, first=row)
        close(together[row], alone)


def test_latents_of_a_batch_equal_those_of_its_rows(tiny_parts: Parts):
    lengths, width = [6, 2, 4], tiny_parts.codec.latent_width
    noise = gaussian(lengths, width, generators(0, 3), tiny_parts.device)
    with torch.no_grad():
        together = quick().denoise(tiny_parts, noise, CAPTIONS).values
        for row, length in enumerate(lengths):
            own = gaussian([length], width, generators(0, 1, first=row), tiny_parts.device)
            alone = quick().denoise(tiny_parts, own, CAPTIONS[row : row + 1]).values
            torch.testing.assert_close(together[row, :length], alone[0], rtol=0, atol=1e-5)


def test_the_caption_the_guidance_and_the_solver_matter(tiny_parts: Parts):
    noise = gaussian([5], tiny_parts.codec.latent_width, generators(0, 1), tiny_parts.device)
    with torch.no_grad():
        usual = quick().denoise(tiny_parts, noise, ["rain"]).values
        for task, caption in (
            (quick(), "a bell"),
            (Generate(Euler(4), Guidance(5.0)), "rain"),
            (Generate(Heun(4), Guidance(2.0)), "rain"),
            (Generate(Euler(5), Guidance(2.0)), "rain"),
        ):
            assert (task.denoise(tiny_parts, noise, [caption]).values - usual).abs().amax() > 1e-4


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_duration_that_is_none_is_refused(tiny_parts: Parts, seconds: float):
    with pytest.raises(ValueError, match="durations must be above 0"):
        quick().run(tiny_parts, ["rain"], [seconds])


@pytest.mark.parametrize("caption", ["", "   ", "\n"])
def test_an_empty_caption_is_refused(tiny_parts: Parts, caption: str):
    with pytest.raises(ValueError, match="caption is empty"):
        quick().run(tiny_parts, [caption], [1.0])


def test_a_caption_longer_than_the_canvas_is_refused_with_the_numbers(tiny_parts: Parts):
    with pytest.raises(ValueError, match=r"\d+ tokens too long for the 31 that fit"):
        quick().run(tiny_parts, ["bell " * 60], [1.0])


def test_as_many_durations_and_targets_as_rows_are_needed(tiny_parts: Parts, waveforms):
    with pytest.raises(ValueError, match="2 captions and 1 durations"):
        quick().run(tiny_parts, ["rain", "wind"], [1.0])
    with pytest.raises(ValueError, match="3 waveforms and 1 captions"):
        Edit(SDEdit(0.5), Euler(4)).run(tiny_parts, waveforms, ["rain"])


def test_nothing_asked_is_nothing_done(tiny_parts: Parts):
    assert quick().run(tiny_parts, [], []) == []
    assert Caption().run(tiny_parts, []) == []
    assert Edit().run(tiny_parts, [], []) == []


def test_edit_strength_zero_returns_the_codecs_round_trip(tiny_parts: Parts, waveforms):
    edited = Edit(SDEdit(0.0), Euler(4), rendering=Decoded()).run(tiny_parts, waveforms, CAPTIONS)
    for waveform, result in zip(waveforms, edited, strict=True):
        codec = tiny_parts.codec
        round_trip = codec.decode(codec.encode(waveform[None]))[0, :, : waveform.shape[1]]
        assert result.shape == waveform.shape
        close(result, round_trip)


def test_edit_strength_one_is_generation(tiny_parts: Parts, waveforms):
    edit = Edit(SDEdit(1.0), Euler(4), Guidance(2.0), rendering=Decoded())
    edited = edit.run(tiny_parts, waveforms, CAPTIONS, seed=7)
    seconds = [waveform.shape[1] / 16_000 for waveform in waveforms]
    for one, other in zip(edited, quick().run(tiny_parts, CAPTIONS, seconds, seed=7), strict=True):
        assert torch.equal(one, other)


def test_an_edit_keeps_more_of_the_source_the_weaker_it_is(tiny_parts: Parts, waveforms):
    codec = tiny_parts.codec
    sources = [codec.encode(waveform[None])[0] for waveform in waveforms[:1]]
    distances = []
    for strength in (0.0, 0.1, 0.4, 0.8, 1.0):
        noise = gaussian([len(sources[0])], codec.latent_width, generators(0, 1), tiny_parts.device)
        noisy = torch.lerp(sources[0], noise.values[0], strength)
        distances.append(float((noisy - sources[0]).norm()))
    assert distances == sorted(distances)
    weak, strong = (Edit(SDEdit(s), Euler(10)).run(tiny_parts, waveforms[:1], ["rain"])[0] for s in (0.05, 1.0))
    kept = Edit(SDEdit(0.0)).run(tiny_parts, waveforms[:1], ["rain"])[0]
    distance = [float((codec.encode(result[None]) - codec.encode(kept[None])).norm()) for result in (weak, strong)]
    assert distance[0] < distance[1]


def test_an_edit_of_a_batch_equals_its_rows_one_by_one(tiny_parts: Parts, waveforms):
    edit = Edit(SDEdit(0.6), Euler(5), Guidance(2.0))
    together = edit.run(tiny_parts, waveforms, CAPTIONS, seed=2)
    for row, waveform in enumerate(waveforms):
        (alone,) = edit.run(tiny_parts, [waveform], CAPTIONS[row : row + 1], seed=2, first=row)
        close(together[row], alone)


@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan])
def test_an_edit_strength_that_is_no_noise_level_is_refused(strength: float):
    with pytest.raises(ValueError, match="strength is a noise level from 0 to 1"):
        SDEdit(strength)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_captions_of_a_batch_equal_those_of_its_rows(tiny_parts: Parts, waveforms, temperature: float):
    task = Caption(ConfidenceOrder(8, temperature), Guidance(2.0))
    together = task.run(tiny_parts, waveforms, seed=9)
    assert together == [task.run(tiny_parts, [w], seed=9, first=row)[0] for row, w in enumerate(waveforms)]
    assert together == task.run(tiny_parts, waveforms, seed=9)


def test_a_drawn_caption_follows_the_seed(tiny_parts: Parts, waveforms):
    task = Caption(ConfidenceOrder(8, temperature=2.0))
    assert len({tuple(task.run(tiny_parts, waveforms, seed=10 * seed)) for seed in range(4)}) > 1


def test_a_caption_is_text_without_special_tokens(tiny_parts: Parts, waveforms):
    for caption in Caption(ConfidenceOrder(4)).run(tiny_parts, waveforms):
        assert not any(special in caption for special in ("<pad>", "<mask>", "<end>", "<unknown>", "▁"))


def test_the_audio_decides_the_caption(tiny_parts: Parts, waveforms):
    seen: list[Tensor] = []

    class Spy(ConfidenceOrder):
        def sample(self, logits, canvas, symbols, generators):
            seen.append(logits(canvas))
            return super().sample(logits, canvas, symbols, generators)

    Caption(Spy(4)).run(tiny_parts, [waveforms[0], 0 * waveforms[0]])
    assert (seen[0][0] - seen[0][1]).abs().amax() > 1e-3


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (torch.zeros(1, 0), r"shape \(1, samples\) with samples, got \(1, 0\)"),
        (torch.zeros(2, 100), r"got \(2, 100\)"),
        (torch.zeros(100), r"got \(100,\)"),
        (torch.full((1, 100), math.nan), "NaN"),
        (torch.full((1, 100), math.inf), "infinite"),
    ],
)
def test_audio_that_cannot_be_used_is_refused(tiny_parts: Parts, waveform: Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        Caption().run(tiny_parts, [waveform])
    with pytest.raises(ValueError, match=message):
        Edit().run(tiny_parts, [waveform], ["rain"])


@pytest.mark.parametrize("samples", [1, 5, 1024, 1025])
def test_very_short_and_silent_audio_can_be_captioned_and_edited(tiny_parts: Parts, samples: int):
    silence = torch.zeros(1, samples)
    assert isinstance(Caption(ConfidenceOrder(2)).run(tiny_parts, [silence])[0], str)
    assert Edit(SDEdit(0.5), Euler(2)).run(tiny_parts, [silence], ["rain"])[0].shape == (1, samples)


# Models of the other process, other solvers, negative captions.


@pytest.fixture
def v_parts(tiny_parts: Parts) -> Parts:
    return dataclasses.replace(tiny_parts, process=VPCosine())


def test_a_v_model_is_sampled_as_ddim_does_it(v_parts: Parts):
    noise = gaussian([5], v_parts.codec.latent_width, generators(0, 1), v_parts.device)
    task = Generate(Euler(6), Guidance(1.0))
    with torch.no_grad():
        made = task.denoise(v_parts, noise, ["rain"]).values
        latents = noise.values
        text = v_parts.read(["rain"])
        for step in range(6):
            share, following = 1 - step / 6, 1 - (step + 1) / 6
            t = math.atan2(share, 1 - share) / (math.pi / 2)
            there = math.atan2(following, 1 - following) / (math.pi / 2)
            pair = type(noise)(latents, noise.lengths)
            v = v_parts.backbone(Pair(pair, text), Pair(torch.tensor([t]), torch.zeros(1))).audio
            turn = math.pi / 2 * (t - there)
            latents = math.cos(turn) * latents - math.sin(turn) * v
    torch.testing.assert_close(made, latents, rtol=1e-4, atol=1e-4)


def test_a_v_model_edits_from_its_own_noise_level(v_parts: Parts, waveforms):
    asked: list[float] = []

    class Asked(Euler):
        def follow(self, velocity, latents, times, noise=None):
            asked.extend(times)
            return super().follow(velocity, latents, times, noise)

    edit = Edit(SDEdit(0.5), Asked(10), Guidance(2.0))
    results = edit.run(v_parts, waveforms[:1], ["rain"])
    assert results[0].shape == waveforms[0].shape
    assert asked[0] == pytest.approx(0.5)  # of noise and data there is equally much at t = 1/2
    assert Edit(SDEdit(0.75), Asked(10)).run(v_parts, waveforms[:1], ["rain"])
    assert asked[len(asked) - asked[::-1].index(0.0) :] == []
    assert max(asked) == pytest.approx(math.tan(0.375 * math.pi) / (1 + math.tan(0.375 * math.pi)))


def test_strengths_zero_and_one_hold_for_a_v_model(v_parts: Parts, waveforms):
    edit = Edit(SDEdit(1.0), Euler(4), Guidance(2.0), rendering=Decoded())
    whole = edit.run(v_parts, waveforms[:1], ["rain"], seed=7)
    seconds = [waveforms[0].shape[1] / 16_000]
    assert torch.equal(whole[0], quick().run(v_parts, ["rain"], seconds, seed=7)[0])
    kept = Edit(SDEdit(0.0)).run(v_parts, waveforms[:1], ["rain"])
    assert torch.equal(kept[0], Edit(SDEdit(0.0)).run(v_parts, waveforms[:1], ["a bell"])[0])


ALL = [Midpoint(3), AdamsBashforth(4), DPMSolver2M(4), DPMSolver3MSDE(5, PolyexponentialSchedule())]


@pytest.mark.parametrize("solver", ALL, ids=lambda solver: type(solver).__name__)
@pytest.mark.parametrize("guidance", [RescaledGuidance(3.0), ProjectedGuidance(3.0)])
def test_rows_do_not_depend_on_their_neighbours_with_any_solver(v_parts: Parts, solver: Solver, guidance: Guidance):
    lengths, width, task = [6, 2, 4], v_parts.codec.latent_width, Generate(solver, guidance)
    with torch.no_grad():
        sources = generators(0, 3)
        noise = gaussian(lengths, width, sources, v_parts.device)
        together = task.denoise(v_parts, noise, CAPTIONS, sources=sources).values
        for row, length in enumerate(lengths):
            own_sources = generators(0, 1, first=row)
            own = gaussian([length], width, own_sources, v_parts.device)
            alone = task.denoise(v_parts, own, CAPTIONS[row : row + 1], sources=own_sources).values
            torch.testing.assert_close(together[row, :length], alone[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", ALL, ids=lambda solver: type(solver).__name__)
def test_every_solver_edits_from_part_way_and_follows_the_seed(tiny_parts: Parts, waveforms, solver: Solver):
    edits = [Edit(SDEdit(0.6), solver).run(tiny_parts, waveforms[1:2], ["rain"], seed=seed)[0] for seed in (1, 1, 2)]
    assert torch.equal(edits[0], edits[1])
    assert not torch.equal(edits[0], edits[2])


def test_a_negative_caption_is_led_away_from(tiny_parts: Parts):
    noise = gaussian([5], tiny_parts.codec.latent_width, generators(0, 1), tiny_parts.device)
    with torch.no_grad():
        plain, away, same = (
            quick(negative=negative).denoise(tiny_parts, noise, ["rain"]).values
            for negative in (None, "a bell", "rain")
        )
        alone = Generate(Euler(4), Guidance(1.0)).denoise(tiny_parts, noise, ["rain"]).values
    assert (away - plain).abs().amax() > 1e-4
    torch.testing.assert_close(same, alone, rtol=0, atol=1e-4)  # away from itself is nowhere


def test_a_negative_caption_without_guidance_is_refused():
    with pytest.raises(ValueError, match="leave out the negative caption"):
        Generate(Euler(4), Guidance(1.0), "a bell")
