from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, DualStreamTransformer, Isolated, Joint
from uat_lightning.diffusion import (
    Conditional,
    Draw,
    Everywhere,
    LogitNormal,
    MaskedAbsorbing,
    Occasion,
    OnePass,
    Passes,
    PassPerDirection,
    RectifiedFlow,
    SquareSampler,
    Uniform,
)
from uat_lightning.module import UATModule
from uat_lightning.types import Batch, Pair, Sequences

CANVAS, WIDTH, VOCABULARY = 6, 4, 20


@dataclass
class Fixed(SquareSampler):
    """Audio half noisy, text all masked: nothing is left to chance but the noise."""

    t_audio: float = 0.5

    def draw(self, generation: Tensor, occasion: Occasion) -> Draw:
        t = Pair(generation * self.t_audio, (~generation).float())
        return Draw(t, Pair(generation, ~generation))


def network(coupling: Joint | Isolated) -> DualStreamTransformer:
    torch.manual_seed(0)
    backbone = DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, width=32, depth=2, heads=2, coupling=coupling)
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return backbone


def batch(*generation: bool, captions: int = 1) -> Batch:
    """Return rows whose captioning rows have several captions each, all different."""
    rows, heard = len(generation), generation.count(False)
    audio = Sequences(torch.randn(rows, 7, WIDTH), torch.tensor([7, 3, 5, 6, 2])[:rows])
    further = texts(heard * (captions - 1)) if captions > 1 else None
    return Batch(Pair(audio, texts(rows)), torch.tensor(generation), further)


def texts(rows: int) -> Sequences:
    return Sequences(torch.randint(3, VOCABULARY, (rows, CANVAS)), torch.randint(1, CANVAS + 1, (rows,)))


def score(passes: Passes, backbone: Backbone, rows: Batch) -> Pair[Tensor]:
    return passes.losses(backbone, Pair(RectifiedFlow(), MaskedAbsorbing()), Fixed(), rows, Occasion())


@pytest.mark.parametrize("coupling", [Joint(), Isolated()])
@pytest.mark.parametrize("captions", [1, 3])
def test_one_pass_and_a_pass_per_direction_give_the_same_losses(coupling, captions, monkeypatch):
    backbone, rows = network(coupling), batch(True, False, False, True, False, captions=captions)
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.linspace(-1, 1, WIDTH).expand(shape))
    expected = score(OnePass(), backbone, rows)
    found = score(PassPerDirection(), backbone, rows)
    torch.testing.assert_close(found.audio, expected.audio)
    torch.testing.assert_close(found.text, expected.text)


@pytest.mark.parametrize("passes", [OnePass(), PassPerDirection()])
def test_every_caption_is_learned_under_its_own_audio(passes):
    backbone, rows = network(Isolated()), batch(False, True, False, captions=2)
    first, second = (rows.clean.audio.take(torch.tensor([row])) for row in (0, 2))
    said = [
        (first, rows.clean.text, 0),
        (second, rows.clean.text, 2),
        (first, rows.further, 0),
        (second, rows.further, 1),
    ]
    alone = []
    for audio, text, row in said:
        pair = Pair(audio, text.take(torch.tensor([row])))
        alone.append(score(OnePass(), backbone, Batch(pair, torch.tensor([False]))).text)
    torch.testing.assert_close(score(passes, backbone, rows).text, torch.stack(alone).mean())


def test_isolated_audio_is_computed_once_for_all_captions(monkeypatch):
    backbone, rows = network(Isolated()), batch(True, False, False, False, captions=4)
    heard = []
    embed = backbone.audio_in.forward
    monkeypatch.setattr(backbone.audio_in, "forward", lambda x: heard.append(len(x)) or embed(x))
    score(PassPerDirection(), backbone, rows)
    assert heard == [4]


@pytest.mark.parametrize("passes", [OnePass(), PassPerDirection()])
@pytest.mark.parametrize("generation", [True, False])
def test_a_direction_without_rows_loses_nothing_and_still_gives_every_weight_a_gradient(passes, generation):
    backbone = network(Isolated())
    losses = score(passes, backbone, batch(generation, generation, captions=1 if generation else 2))
    (losses.audio + losses.text).backward()
    assert float(losses.text if generation else losses.audio) == 0
    assert float(losses.audio if generation else losses.text) > 0
    assert [name for name, weight in backbone.named_parameters() if weight.grad is None] == []


def test_rows_that_are_noisy_on_both_sides_are_refused_before_training():
    square = Everywhere(Conditional(LogitNormal(), Uniform()))
    parts = network(Isolated()), RectifiedFlow(), MaskedAbsorbing(), square
    with pytest.raises(ValueError, match="Everywhere has rows without a clean condition: train them with OnePass"):
        UATModule(*parts, passes=PassPerDirection())
    UATModule(*parts, passes=OnePass())
