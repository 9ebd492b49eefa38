from __future__ import annotations

import gzip
import json
import math

import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from uat_lightning.metrics.captions import caption_scores, tokenize

CANDIDATES = ["a bell rings twice then rain falls", "a dog barks", "wind blows while a saw cuts"]
REFERENCES = [
    ["a bell rings twice and then rain falls", "rain falls after a chime rings twice"],
    ["a loud dog barks once", "a puppy yaps once"],
    ["a saw cuts while wind blows", "wind blows as a handsaw rasps"],
]


def test_tokens_are_lower_case_words_without_punctuation():
    assert tokenize("After a bell rings, RAIN falls -- loudly!") == "after a bell rings rain falls loudly"
    assert tokenize("the dog's 2 barks\n(again)") == "the dog's 2 barks again"
    assert tokenize("...") == ""


def test_scores_are_those_of_pycocoevalcap():
    true, said = dict(enumerate(REFERENCES)), {row: [text] for row, text in enumerate(CANDIDATES)}
    scores = caption_scores(CANDIDATES, REFERENCES)
    assert scores.bleu_4 == Bleu(4).compute_score(true, said, verbose=0)[0][3]
    assert scores.rouge_l == Rouge().compute_score(true, said)[0]
    assert scores.cider_d == Cider().compute_score(true, said)[0]
    assert scores.cider_d > 1


def test_rouge_is_the_longest_common_subsequence_by_hand():
    # LCS("a b c", "a x c d") = 2: precision 2/3, recall 2/4, beta 1.2.
    precision, recall = 2 / 3, 2 / 4
    by_hand = (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)
    assert caption_scores(["a b c"], [["a x c d"]]).rouge_l == pytest.approx(by_hand)


def test_bleu_is_one_for_the_references_own_words_and_shrinks_with_brevity():
    assert caption_scores(["a dog barks very loudly"], [["A dog barks, very loudly."]]).bleu_4 == pytest.approx(1)
    # All four n-gram precisions are 1, the brevity penalty is exp(1 - 8/4).
    brief = caption_scores(["one two three four"], [["one two three four five six seven eight"]]).bleu_4
    assert brief == pytest.approx(math.exp(-1), rel=1e-6)


def test_cider_is_ten_for_perfect_captions_that_share_no_words():
    perfect = ["a dog barks very loudly", "soft rain patters on roofs"]
    assert caption_scores(perfect, [[text] for text in perfect]).cider_d == pytest.approx(10)


def test_cider_is_nan_for_a_single_clip_and_an_empty_caption_scores_nothing():
    assert math.isnan(caption_scores(["a dog"], [["a dog"]]).cider_d)
    empty = caption_scores(["", ""], [["a dog barks"], ["rain falls"]])
    assert (empty.rouge_l, empty.cider_d) == (0, 0)
    assert empty.bleu_4 < 1e-3


@pytest.mark.parametrize(("candidates", "references"), [([], []), (["a"], []), (["a"], [[]])])
def test_captions_without_references_are_refused(candidates, references):
    with pytest.raises(ValueError, match="references"):
        caption_scores(candidates, references)


def test_published_scores_of_a_thousand_coco_captions_come_out(shared):
    folder = shared / "cases" / "coco_fakecap"
    with gzip.open(folder / "data.json.gz", "rt") as file:
        corpus = json.load(file)
    published = json.loads((folder / "expected.json").read_text())["published"]
    scores = caption_scores(corpus["candidates"], corpus["references"])
    for name in ("bleu_4", "rouge_l", "cider_d"):
        assert getattr(scores, name) == pytest.approx(published[name], abs=published["tolerance_abs"])
