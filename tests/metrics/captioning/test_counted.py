from __future__ import annotations

import random

import pytest
from pycocoevalcap.bleu.bleu import Bleu as CocoBleu
from pycocoevalcap.cider.cider import Cider as CocoCider
from pycocoevalcap.rouge.rouge import Rouge as CocoRouge
from pycocoevalcap.rouge.rouge import my_lcs

from uat_lightning.metrics.captioning.counted import count_ngrams, longest_common
from uat_lightning.metrics.captioning.ngrams import bleu, cider_d, rouge_l


def made_up(clips: int) -> tuple[list[str], list[list[str]]]:
    """Return captions of 0 to 20 words of a small vocabulary, so that much is repeated, and one to five references."""
    source, words = random.Random(0), [f"w{number}" for number in range(30)]

    def caption(least: int) -> str:
        return " ".join(source.choices(words, [1 / (place + 1) for place in range(30)], k=source.randint(least, 20)))

    return [caption(0) for _ in range(clips)], [[caption(1) for _ in range(source.randint(1, 5))] for _ in range(clips)]


@pytest.mark.parametrize("clips", [1, 2, 300])
def test_quicker_counts_give_the_scores_of_pycocoevalcap(clips):
    said, true = made_up(clips)
    theirs = dict(enumerate(true)), {clip: [text] for clip, text in enumerate(said)}
    together, single = CocoBleu(4).compute_score(*theirs, verbose=0)
    assert bleu(said, true) == (together, single)
    assert rouge_l(said, true) == pytest.approx(CocoRouge().compute_score(*theirs)[1], abs=1e-15)
    assert cider_d(said, true) == pytest.approx(CocoCider().compute_score(*theirs)[1], abs=1e-13)


def test_ngrams_of_a_short_caption_by_hand():
    assert count_ngrams("a b a") == {("a",): 2, ("b",): 1, ("a", "b"): 1, ("b", "a"): 1, ("a", "b", "a"): 1}
    assert count_ngrams("") == {}


def test_the_longest_common_subsequence_by_bits_is_that_of_the_table():
    source = random.Random(1)
    for _ in range(200):
        one, other = (source.choices("abcde", k=source.randrange(90)) for _ in range(2))
        assert longest_common(one, other) == my_lcs(one, other)
