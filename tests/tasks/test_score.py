from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import AudioLogits
from uat_lightning.tasks import AudioLikelihood, BothDirections, Parts, PerToken, PointwiseInformation, Score
from uat_lightning.tasks.base import gaussian
from uat_lightning.types import Pair, Sequences

CAPTIONS = ["a bell rings twice", "rain falls", "a dog barks, then a siren wails"]


@pytest.fixture
def waveforms(clips) -> list[Tensor]:
    return [torch.from_numpy(clip.audio)[None] for clip in clips[:3]]


@pytest.mark.parametrize("kind", [Score, PerToken, PointwiseInformation, AudioLikelihood, BothDirections])
def test_a_score_depends_on_its_pair_and_the_seed_alone(tiny_parts: Parts, waveforms, kind: type[Score]):
    waveforms = [waveform[:, : 16_000 - 5_000 * number] for number, waveform in enumerate(waveforms)]
    together = kind(2).run(tiny_parts, waveforms, CAPTIONS, seed=3)
    in_batches = kind(2, batch_size=1).run(tiny_parts, waveforms, CAPTIONS, seed=3)
    torch.testing.assert_close(together, in_batches, rtol=1e-4, atol=1e-4)
    alone = [kind(2, batch_size=1).run(tiny_parts, [w], [c], seed=3) for w, c in zip(waveforms, CAPTIONS, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-4)
    assert torch.equal(together, kind(2).run(tiny_parts, waveforms, CAPTIONS, seed=3))
    assert not torch.allclose(together, kind(2).run(tiny_parts, waveforms, CAPTIONS, seed=4), atol=1e-3)


def test_a_matrix_holds_every_pair(tiny_parts: Parts, waveforms):
    matrix = Score(2, batch_size=4).matrix(tiny_parts, waveforms, CAPTIONS[:2])
    assert matrix.shape == (3, 2)
    for row, column in ((0, 0), (1, 1), (2, 0)):
        single = Score(2).run(tiny_parts, [waveforms[row]], [CAPTIONS[column]])
        assert float(matrix[row, column]) == pytest.approx(float(single), rel=1e-4)


def test_scores_are_log_probabilities_and_the_variants_follow_from_them(tiny_parts: Parts, waveforms):
    score = Score(3).run(tiny_parts, waveforms, CAPTIONS)
    lengths = tiny_parts.tokenizer.encode(CAPTIONS).lengths
    assert (score < 0).all()
    torch.testing.assert_close(PerToken(3).run(tiny_parts, waveforms, CAPTIONS), score / lengths)
    audio, text = tiny_parts.listen(waveforms), tiny_parts.read(CAPTIONS)
    sources = [torch.Generator().manual_seed(0) for _ in CAPTIONS]
    noise = gaussian(audio.lengths.tolist(), tiny_parts.codec.latent_width, sources, tiny_parts.device)
    with torch.no_grad():
        prior = Score(3).estimate(tiny_parts, AudioLogits(tiny_parts.backbone, noise, 1.0), text, 0)
    information = PointwiseInformation(3).run(tiny_parts, waveforms, CAPTIONS)
    torch.testing.assert_close(information, score - prior, rtol=1e-4, atol=1e-4)


def test_where_tokens_are_independent_the_estimate_is_exact(tiny_parts: Parts):
    """The mean over hidden tokens times their number is exact where all are equally likely."""
    odds = torch.arange(256.0).log_softmax(0)
    text = Sequences(torch.tensor([[200, 200, 200, 200], [9, 9, 9, 0]]), torch.tensor([4, 3]))
    found = Score(3).estimate(tiny_parts, lambda canvas: odds.expand(*canvas.shape, -1), text, 0)
    torch.testing.assert_close(found, torch.stack([4 * odds[200], 3 * odds[9]]).double())


class Certain(SimpleNamespace):
    """Knows of each text the one audio that it stands for: the exact velocity of a distribution of a single point."""

    def given_text(self, text: Sequences, t: Tensor):
        assert not t.any()
        point = self.points[text.values[:, 0]]
        return lambda noisy, t: (noisy.values - point) / t[:, None, None]


def test_the_likelihood_of_audio_is_that_of_the_exact_velocity(tiny_parts: Parts):
    """The error of a point's velocity is (point - audio) / t, whatever the noise."""
    width = tiny_parts.codec.latent_width
    points = torch.randn(2, 5, width, generator=torch.Generator().manual_seed(0))
    parts = SimpleNamespace(
        **{**vars(tiny_parts), "backbone": Certain(points=points), "process": tiny_parts.process, "device": "cpu"}
    )
    audio = Sequences(points[[0, 0]], torch.tensor([5, 3]))
    text = Sequences(torch.tensor([[1], [1]]), torch.tensor([1, 1]))
    levels = torch.tensor([1 / 8, 3 / 8, 5 / 8, 7 / 8])
    apart = (points[1] - points[0]).square()
    wanted = [-0.5 * (apart[:frames].sum() / levels.square()).mean().double() for frames in (5, 3)]
    found = AudioLikelihood(4).of_latents(parts, audio, text)
    torch.testing.assert_close(found, torch.stack(wanted), rtol=1e-4, atol=1e-4)
    itself = AudioLikelihood(4).of_latents(parts, audio, replace(text, values=torch.zeros_like(text.values)))
    torch.testing.assert_close(itself, torch.zeros(2).double(), rtol=0, atol=1e-6)


def test_the_likelihood_of_audio_is_the_mean_error_of_the_whole_network(tiny_parts: Parts, waveforms):
    """One pair by hand: three noise levels, in the middle of equal parts, from one generator."""
    audio, text = tiny_parts.listen(waveforms[:1]), tiny_parts.read(CAPTIONS[:1])
    source, squares = torch.Generator().manual_seed(7), []
    for t in (torch.tensor([1 / 6]), torch.tensor([0.5]), torch.tensor([5 / 6])):
        noise = torch.randn(*audio.values.shape[1:], generator=source)[None]
        noisy = Sequences((1 - t) * audio.values + t * noise, audio.lengths)
        with torch.no_grad():
            made = tiny_parts.backbone(Pair(noisy, text), Pair(t, torch.zeros(1))).audio
        squares.append((made - (noise - audio.values)).square().sum())
    found = AudioLikelihood(3).run(tiny_parts, waveforms[:1], CAPTIONS[:1], seed=7)
    assert float(found) == pytest.approx(-0.5 * float(torch.stack(squares).mean()), rel=1e-5)


def test_both_directions_are_added(tiny_parts: Parts, waveforms):
    alone = [kind(2).run(tiny_parts, waveforms, CAPTIONS, 1) for kind in (Score, AudioLikelihood)]
    both = BothDirections(2, audio_weight=0.5).run(tiny_parts, waveforms, CAPTIONS, 1)
    torch.testing.assert_close(both, alone[0] + 0.5 * alone[1], rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="audio_weight"):
        BothDirections(audio_weight=-1)


def test_nothing_to_score_is_nothing(tiny_parts: Parts, waveforms):
    assert Score().run(tiny_parts, [], []).shape == (0,)
    assert Score().matrix(tiny_parts, waveforms, []).shape == (3, 0)


def test_what_cannot_be_scored_is_refused(tiny_parts: Parts, waveforms):
    with pytest.raises(ValueError, match="3 waveforms and 2 captions"):
        Score().run(tiny_parts, waveforms, CAPTIONS[:2])
    with pytest.raises(ValueError, match="caption is empty"):
        Score().run(tiny_parts, waveforms[:1], [" "])
    with pytest.raises(ValueError, match="batch_size"):
        Score(batch_size=0)
    with pytest.raises(ValueError, match="strata"):
        Score(strata=0)
