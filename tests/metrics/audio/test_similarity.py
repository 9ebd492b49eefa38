from __future__ import annotations

import pytest
import torch

from uat_lightning.metrics.audio.similarity import ClapScore, DirectionalSimilarity, clap_score, directional_similarity

AXES = torch.eye(3)


def test_the_score_is_the_cosine_at_any_length():
    audio = torch.tensor([[1.0, 0, 0], [2.0, 2.0, 0], [0, 0, -5.0], [0, 0, 0]])
    text = torch.tensor([[3.0, 0, 0], [0, 4.0, 0], [0, 0, 1.0], [1.0, 0, 0]])
    assert clap_score(audio, text).tolist() == pytest.approx([1, 2**-0.5, -1, float("nan")], nan_ok=True)


def test_an_edit_along_the_captions_scores_one_and_against_them_minus_one():
    source, source_text = AXES[[0, 0, 0]], AXES[[0, 0, 0]]
    edited = torch.stack([AXES[1], 2 * AXES[0] - AXES[1], AXES[0]])
    found = directional_similarity(source, edited, source_text, AXES[[1, 1, 1]])
    assert found[0].item() == pytest.approx(1)
    assert found[1].item() == pytest.approx(-1)
    assert found[2].isnan()


def test_metrics_average_and_count_what_has_no_score():
    score, direction = ClapScore(), DirectionalSimilarity()
    score.update(AXES[[0, 1]], AXES[[0, 0]], torch.tensor([4, 2]))
    assert {name: value.item() for name, value in score.compute().items()} == {
        "clap_score": 0.5,
        "clips": 2,
        "undefined": 0,
    }
    direction.update(AXES[[0, 0]], AXES[[1, 0]], AXES[[0, 0]], AXES[[1, 1]], torch.tensor([0, 1]))
    found = direction.compute()
    assert found["directional_similarity"].item() == pytest.approx(1)
    assert (found["clips"], found["undefined"]) == (2, 1)


def test_what_makes_no_pairs_is_refused():
    with pytest.raises(ValueError, match="one for each"):
        clap_score(torch.ones(2, 3), torch.ones(1, 3))
