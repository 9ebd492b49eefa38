from __future__ import annotations

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, DualStreamTransformer, Prediction
from uat_lightning.sampling import AudioFirst, AudioLogits, Guidance, GuidedLogits
from uat_lightning.types import Pair, Sequences

ROWS, FRAMES, CANVAS, MASK = 3, 6, 5, 2


class Recorder(Backbone):
    """Remembers how many rows it was asked for."""

    def __init__(self, inner: Backbone) -> None:
        super().__init__()
        self.inner, self.calls = inner, []

    def forward(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> Prediction:
        self.calls.append(len(noisy.audio))
        return self.inner(noisy, t)


@pytest.fixture
def recorder() -> Recorder:
    torch.manual_seed(0)
    backbone = DualStreamTransformer(latent_width=4, vocabulary_size=20, canvas=CANVAS, width=16, depth=2, heads=2)
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return Recorder(backbone.double()).eval()


def latents(seed: int) -> Sequences:
    values = torch.randn(ROWS, FRAMES, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Sequences(values, torch.tensor([FRAMES, 3, 5]))


CANVASES = torch.full((ROWS, CANVAS), MASK)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 2.5])
@torch.no_grad()
def test_guidance_mixes_log_probabilities_with_and_without_audio_and_normalises(recorder: Recorder, scale: float):
    audio, noise = latents(1), latents(2)
    got = GuidedLogits(recorder, audio, noise, Guidance(scale))(CANVASES)
    heard, deaf = AudioLogits(recorder.inner, audio)(CANVASES), AudioLogits(recorder.inner, noise, t=1.0)(CANVASES)
    expected = (deaf + scale * (heard - deaf)).softmax(-1)
    torch.testing.assert_close(got.exp(), expected, rtol=0, atol=1e-11)
    torch.testing.assert_close(got.exp().sum(-1), torch.ones(ROWS, CANVAS).double(), rtol=0, atol=1e-11)
    assert recorder.calls == [ROWS if scale == 1 else 2 * ROWS]


@torch.no_grad()
def test_the_text_is_noisy_and_the_audio_clean_or_nothing_but_noise(recorder: Recorder):
    zeros, ones, text = torch.zeros(ROWS), torch.ones(ROWS), Sequences(CANVASES, torch.full((ROWS,), CANVAS))
    for t, times in ((0.0, zeros), (1.0, ones)):
        by_hand = (
            recorder.inner(Pair(latents(1), text), Pair(times.double(), ones.double())).text.logits().log_softmax(-1)
        )
        torch.testing.assert_close(AudioLogits(recorder, latents(1), t)(CANVASES), by_hand, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 2.0])
@torch.no_grad()
def test_some_rows_can_be_asked_alone(recorder: Recorder, scale: float):
    logits, rows = GuidedLogits(recorder, latents(1), latents(2), Guidance(scale)), torch.tensor([2, 0])
    torch.testing.assert_close(logits.of_rows(CANVASES[rows], rows), logits(CANVASES)[rows], rtol=0, atol=1e-11)


@torch.no_grad()
def test_what_audio_tells_of_a_position_adds_to_its_confidence():
    """The sum of the mixture is a Renyi divergence: 0 where audio changes nothing, more where it tells more."""
    scale = 1.5
    deaf = torch.randn(2, 3, 7, dtype=torch.float64).log_softmax(-1)
    heard = torch.randn(2, 3, 7, dtype=torch.float64).log_softmax(-1)
    heard[:, 0] = deaf[:, 0]
    mixed, plain = AudioFirst(scale).words(heard, deaf), Guidance(scale).words(heard, deaf)
    divergence = (heard.exp() ** scale * deaf.exp() ** (1 - scale)).sum(-1).log() / (scale - 1)
    torch.testing.assert_close(mixed - plain, ((scale - 1) * divergence)[..., None].expand_as(mixed))
    assert (divergence[:, 0].abs() < 1e-12).all()
    assert (divergence[:, 1:] > 0).all()
