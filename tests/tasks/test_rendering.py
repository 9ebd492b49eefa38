"""From edited latents to sound: what did not change stays the source's own."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import Euler, Guidance
from uat_lightning.sampling.editing import FlowEdit, SDEdit
from uat_lightning.tasks import Change, ChangedBins, Decoded, Edit, Parts, Source, Spans
from uat_lightning.text import Said
from uat_lightning.types import Sequences

RATE = 16_000


def tone(pitch: float, seconds: float = 1.0, amplitude: float = 0.3) -> Tensor:
    time = torch.arange(round(seconds * RATE)) / RATE
    return amplitude * torch.sin(2 * torch.pi * pitch * time)[None]


def level(waveform: Tensor, pitch: float) -> float:
    """Return the amplitude of a tone in a waveform, away from its ends."""
    middle = waveform[0, RATE // 4 : 3 * RATE // 4]
    return float(2 * (middle * torch.exp(-2j * torch.pi * pitch * torch.arange(len(middle)) / RATE)).mean().abs())


@pytest.fixture
def waveforms(clips) -> list[Tensor]:
    return [torch.from_numpy(clip.audio)[None, : RATE + 300 * number] for number, clip in enumerate(clips[:2])]


@pytest.mark.parametrize("method", [SDEdit(0.0), FlowEdit(0.8)])
def test_an_edit_that_changes_nothing_returns_the_source(tiny_parts: Parts, waveforms: list[Tensor], method):
    task = Edit(method, Euler(3), Guidance(1.0))
    sources = [Source(waveform, "rain falls", "rain falls") for waveform in waveforms]
    for waveform, edited in zip(waveforms, task.edit(tiny_parts, sources), strict=True):
        torch.testing.assert_close(edited.audio, waveform, rtol=0, atol=1e-5)


def test_a_new_sound_is_put_in_and_an_old_one_taken_out_of_the_source():
    before, after = tone(400) + tone(1500), tone(400) + tone(4000)
    # The codec turns the phase of what stays, and the source has a hiss that the codec loses.
    lost = 1e-3 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    mixed = ChangedBins().mixed(before + lost, tone(400).roll(13) + tone(1500), tone(400).roll(13) + tone(4000), RATE)
    assert level(mixed, 400) == pytest.approx(0.3, rel=0.01)
    assert level(mixed, 4000) == pytest.approx(0.3, rel=0.05)
    assert level(mixed, 1500) < 0.3 / 100
    stays = slice(RATE // 4, 3 * RATE // 4)
    own = (mixed - after)[:, stays]  # near 400 Hz the source's own phase, elsewhere its own hiss
    assert 0.5 < float(own.std() / lost.std()) < 4


def test_the_more_the_level_changes_the_more_is_heard_of_the_edit():
    source, quiet, bounds = tone(1000), tone(2000, amplitude=1e-3), (3.0, 9.0)
    heard = []
    for change in (0.0, 2.0, 5.0, 7.0, 9.5, 20.0):
        louder = quiet * 10 ** (change / 20)
        heard.append(level(ChangedBins(*bounds).mixed(source, source + quiet, source + louder, RATE), 2000) / 1e-3)
    assert heard[:2] == pytest.approx([0, 0], abs=1e-2)
    assert heard[4:] == pytest.approx([10 ** (9.5 / 20), 10], rel=0.1)
    assert all(less <= more for less, more in pairwise(heard))


@pytest.mark.parametrize(("only_adds", "wanted"), [(False, [1, 0, 1]), (True, [1, 1, 1])])
def test_what_only_adds_leaves_what_became_quieter(only_adds: bool, wanted: list[float]):
    before, after = tone(400) + tone(1500), tone(400) + tone(4000)
    mixed = ChangedBins().mixed(before, before, after, RATE, only_adds)
    assert [level(mixed, pitch) / 0.3 for pitch in (400, 1500, 4000)] == pytest.approx(wanted, abs=0.05)


class Told(Decoded):
    """Remembers what it was told of the sources."""

    def render(self, parts, change):
        self.only_adds = list(change.only_adds)
        return super().render(parts, change)


def test_renderings_are_told_what_only_adds(tiny_parts: Parts, waveforms: list[Tensor]):
    heard, told = "rain falls while a bell rings", Told()
    wishes = [Said("add a siren"), Said("remove the rain"), Said("replace the rain with a bell"), "a bell rings"]
    Edit(SDEdit(0.5), Euler(1), rendering=told).edit(tiny_parts, [Source(waveforms[0], wish, heard) for wish in wishes])
    assert told.only_adds == [True, False, False, False]
    in_windows = [Said("add a siren"), Said("add a dog")]
    assert Source(waveforms[0], in_windows).only_adds
    assert not Source(waveforms[0], [*in_windows, "rain falls"]).only_adds


def test_decoded_latents_are_what_the_codec_makes_of_them(tiny_parts: Parts, waveforms: list[Tensor]):
    before = tiny_parts.listen(waveforms)
    after = Sequences(before.values + 0.3, before.lengths)
    made = Decoded().render(tiny_parts, Change(waveforms, before, after, [False, False]))
    for one, other in zip(made, tiny_parts.sound(after, [w.shape[1] for w in waveforms]), strict=True):
        assert torch.equal(one, other)


def test_rows_of_other_lengths_are_rendered_as_alone(tiny_parts: Parts, waveforms: list[Tensor]):
    before = tiny_parts.listen(waveforms)
    after = Sequences(before.values * 0.5, before.lengths)
    together = ChangedBins().render(tiny_parts, Change(waveforms, before, after, [False, False]))
    for row, waveform in enumerate(waveforms):
        own, length = before.take(slice(row, row + 1)), int(before.lengths[row])
        alone = [Sequences(some.values[row : row + 1, :length], own.lengths) for some in (before, after)]
        made = ChangedBins().render(tiny_parts, Change([waveform], *alone, [False]))[0]
        assert made.shape == waveform.shape
        torch.testing.assert_close(together[row], made, rtol=0, atol=1e-4)


def test_silence_and_a_single_sample_are_rendered(tiny_parts: Parts):
    sources = [torch.zeros(1, 5000), torch.zeros(1, 1)]
    made = Edit(SDEdit(0.5), Euler(2)).run(tiny_parts, sources, ["rain", "rain"])
    assert [sound.shape for sound in made] == [(1, 5000), (1, 1)]
    assert all(bool(sound.isfinite().all()) for sound in made)


def test_outside_of_a_region_every_sample_is_the_sources(tiny_parts: Parts, waveforms: list[Tensor]):
    source = Source(waveforms[0], "rain falls", "a bell rings", Spans([(0.3, 0.6)]))
    (edited,) = Edit(SDEdit(0.9), Euler(3)).edit(tiny_parts, [source])
    same = (edited.audio == waveforms[0])[0]
    assert same[: round(0.3 * RATE)].all() and same[round(0.6 * RATE) :].all() and not same.all()


@pytest.mark.parametrize("bounds", [(3.0, 3.0), (-1.0, 2.0), (3.0, 9.0, 0.0)])
def test_bounds_out_of_order_are_refused(bounds: tuple[float, ...]):
    with pytest.raises(ValueError, match="low < high and floor < 0"):
        ChangedBins(*bounds)
