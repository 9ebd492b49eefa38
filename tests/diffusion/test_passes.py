from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, DualStreamTransformer, Isolated, Joint
from uat_lightning.diffusion import (
    Draw,
    MaskedAbsorbing,
    OnePass,
    Passes,
    PassPerDirection,
    RectifiedFlow,
    SquareSampler,
)
from uat_lightning.types import Batch, Pair, Sequences

CANVAS, WIDTH, VOCABULARY = 6, 4, 20


@dataclass
class Fixed(SquareSampler):
    """Audio half noisy, text all masked: nothing is left to chance but the noise."""

    t_audio: float = 0.5

    def draw(self, generation: Tensor) -> Draw:
        t = Pair(generation * self.t_audio, (~generation).float())
        return Draw(t, Pair(generation, ~generation))


def network(coupling: Joint | Isolated) -> DualStreamTransformer:
    torch.manual_seed(0)
    backbone = DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, width=32, depth=2, heads=2, coupling=coupling)
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return backbone


def batch(*generation: bool) -> Batch:
    rows = len(generation)
    audio = Sequences(torch.randn(rows, 7, WIDTH), torch.tensor([7, 3, 5, 6, 2])[:rows])
    text = Sequences(torch.randint(3, VOCABULARY, (rows, CANVAS)), torch.tensor([6, 2, 4, 5, 3])[:rows])
    return Batch(Pair(audio, text), torch.tensor(generation))


def score(passes: Passes, backbone: Backbone, rows: Batch) -> Pair[Tensor]:
    return passes.losses(backbone, Pair(RectifiedFlow(), MaskedAbsorbing()), Fixed(), rows)


@pytest.mark.parametrize("coupling", [Joint(), Isolated()])
@pytest.mark.parametrize("canvases", [1, 3])
def test_one_pass_and_a_pass_per_direction_give_the_same_losses(coupling, canvases, monkeypatch):
    backbone, rows = network(coupling), batch(True, False, False, True, False)
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.linspace(-1, 1, WIDTH).expand(shape))
    expected = score(OnePass(), backbone, rows)
    found = score(PassPerDirection(canvases), backbone, rows)
    torch.testing.assert_close(found.audio, expected.audio)
    torch.testing.assert_close(found.text, expected.text)


def test_isolated_audio_is_computed_once_for_all_canvases(monkeypatch):
    backbone, rows = network(Isolated()), batch(True, False, False, False)
    heard = []
    embed = backbone.audio_in.forward
    monkeypatch.setattr(backbone.audio_in, "forward", lambda x: heard.append(len(x)) or embed(x))
    score(PassPerDirection(canvases=4), backbone, rows)
    assert heard == [1, 3]


def test_every_canvas_is_masked_anew():
    seen = []

    class Watched(DualStreamTransformer):
        def given_audio(self, audio, t, canvases=1):
            predict = super().given_audio(audio, t, canvases)
            return lambda text, t_text: seen.append(text.values) or predict(text, t_text)

    class Half(Fixed):
        def draw(self, generation: Tensor, *_: object) -> Draw:
            return Draw(Pair(generation * 0.5, (~generation) * 0.5), Pair(generation, ~generation))

    torch.manual_seed(0)
    backbone = Watched(WIDTH, VOCABULARY, CANVAS, width=32, depth=1, heads=2, coupling=Isolated())
    PassPerDirection(6).losses(backbone, Pair(RectifiedFlow(), MaskedAbsorbing()), Half(), batch(False))
    masked = {tuple((row == 2).tolist()) for row in seen[0]}
    assert len(seen[0]) == 6
    assert len(masked) > 2


@pytest.mark.parametrize("passes", [OnePass(), PassPerDirection(2)])
@pytest.mark.parametrize("generation", [True, False])
def test_a_direction_without_rows_loses_nothing_and_still_gives_every_weight_a_gradient(passes, generation):
    backbone = network(Isolated())
    losses = score(passes, backbone, batch(generation, generation))
    (losses.audio + losses.text).backward()
    assert float(losses.text if generation else losses.audio) == 0
    assert float(losses.audio if generation else losses.text) > 0
    assert [name for name, weight in backbone.named_parameters() if weight.grad is None] == []


def test_no_canvas_is_refused():
    with pytest.raises(ValueError, match="canvases must be at least 1"):
        PassPerDirection(0)
