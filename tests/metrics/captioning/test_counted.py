from __future__ import annotations

import random

import pytest
from pycocoevalcap.bleu.bleu import Bleu as CocoBleu
from pycocoevalcap.cider.cider import Cider as CocoCider
from pycocoevalcap.rouge.rouge import Rouge as CocoRouge
from pycocoevalcap.rouge.rouge import my_lcs

from uat_lightning.metrics.captioning.counted import CountedBleu, longest_common
from uat_lightning.metrics.captioning.ngram_tables import NgramTables
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


def test_ngrams_of_short_captions_by_hand():
    tables = NgramTables.of(["a b a", ""], [["b a"], ["a", "b b"]])
    assert tables.clip.tolist() == [0, 1, 0, 1, 1]
    assert [tables.ngrams(length)[0] for length in (1, 2, 3, 4)] == [3, 2, 1, 0]
    singles, pairs, triples, longest = tables.tables
    rows = zip(singles.text.tolist(), singles.ngram.tolist(), singles.count.tolist(), strict=True)
    assert list(rows) == [(0, 0, 2), (0, 1, 1), (2, 0, 1), (2, 1, 1), (3, 0, 1), (4, 1, 2)]
    assert (pairs.kinds, pairs.text.tolist()) == (3, [0, 0, 2, 4])  # a b, b a; b a; b b
    assert (triples.kinds, triples.text.tolist()) == (1, [0])
    assert (longest.kinds, longest.text.tolist()) == (0, [])


def test_shares_of_bleu_are_what_more_weight_on_a_clip_changes():
    said, true = made_up(300)
    counted = CountedBleu(NgramTables.of(said, true))
    before = counted.scores()[0]
    many = 20  # a clip more among so many is little more weight
    for clip in (0, 1, 17):
        again = bleu([*(said * many), said[clip]], [*(true * many), true[clip]])[0]
        for length in range(1, 5):
            change = 300 * many * (again[length - 1] - before[length - 1])
            assert counted.shares(length)[clip] - before[length - 1] == pytest.approx(change, rel=0.01, abs=1e-3)
    for length in range(1, 5):
        shares = counted.shares(length)
        assert sum(shares) / len(shares) == pytest.approx(before[length - 1], abs=1e-8)


def test_where_no_ngram_is_right_there_are_no_shares():
    assert CountedBleu(NgramTables.of(["a b"], [["b a"]])).shares(2) == []
    assert CountedBleu(NgramTables.of([""], [["a"]])).shares(1) == []


def test_the_longest_common_subsequence_by_bits_is_that_of_the_table():
    source = random.Random(1)
    for _ in range(200):
        one, other = (source.choices("abcde", k=source.randrange(90)) for _ in range(2))
        assert longest_common(one, other) == my_lcs(one, other)
