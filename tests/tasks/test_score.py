from __future__ import annotations

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import AudioLogits
from uat_lightning.tasks import Parts, PerToken, PointwiseInformation, Score
from uat_lightning.tasks.base import gaussian
from uat_lightning.types import Sequences

CAPTIONS = ["a bell rings twice", "rain falls", "a dog barks, then a siren wails"]


@pytest.fixture
def waveforms(clips) -> list[Tensor]:
    return [torch.from_numpy(clip.audio)[None] for clip in clips[:3]]


@pytest.mark.parametrize("kind", [Score, PerToken, PointwiseInformation])
def test_a_score_depends_on_its_pair_and_the_seed_alone(tiny_parts: Parts, waveforms, kind: type[Score]):
    together = kind(2).run(tiny_parts, waveforms, CAPTIONS, seed=3)
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
