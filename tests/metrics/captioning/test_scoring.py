from __future__ import annotations

import math

import pytest
from pycocoevalcap.bleu.bleu import Bleu as CocoBleu
from pycocoevalcap.cider.cider import Cider as CocoCider
from pycocoevalcap.rouge.rouge import Rouge as CocoRouge

from uat_lightning.metrics.captioning import AlreadySplit, CaptionScorer, NotComputable, caption_scores
from uat_lightning.metrics.captioning.combined import COMBINATIONS
from uat_lightning.metrics.captioning.ngrams import cider_d
from uat_lightning.metrics.captioning.variety import distinct_share, vocabulary_size
from uat_lightning.metrics.corpus_scores import CorpusScores

CANDIDATES = ["a bell rings twice then rain falls", "a dog barks", "wind blows while a saw cuts"]
REFERENCES = [
    ["a bell rings twice and then rain falls", "rain falls after a chime rings twice"],
    ["a loud dog barks once", "a puppy yaps once"],
    ["a saw cuts while wind blows", "wind blows as a handsaw rasps"],
]


def test_scores_are_those_of_pycocoevalcap():
    true, said = dict(enumerate(REFERENCES)), {row: [text] for row, text in enumerate(CANDIDATES)}
    found = caption_scores(CANDIDATES, REFERENCES)
    bleu, bleu_each = CocoBleu(4).compute_score(true, said, verbose=0)
    rouge, rouge_each = CocoRouge().compute_score(true, said)
    cider, cider_each = CocoCider().compute_score(true, said)
    assert [found.scores[f"bleu_{n}"] for n in (1, 2, 3, 4)] == bleu
    assert (found.scores["rouge_l"], found.scores["cider_d"]) == (rouge, pytest.approx(cider, abs=1e-13))
    assert cider > 1
    assert [found.per_clip[f"bleu_{n}"] for n in (1, 2, 3, 4)] == bleu_each
    assert found.per_clip["rouge_l"] == rouge_each.tolist()
    assert found.per_clip["cider_d"] == pytest.approx(cider_each, abs=1e-13)


def test_scoring_prints_nothing(capsys):
    caption_scores(CANDIDATES, REFERENCES)
    assert capsys.readouterr() == ("", "")


def test_rouge_is_the_longest_common_subsequence_by_hand():
    # LCS("a b c", "a x c d") = 2: precision 2/3, recall 2/4, beta 1.2.
    precision, recall = 2 / 3, 2 / 4
    by_hand = (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)
    assert caption_scores(["a b c"], [["a x c d"]]).scores["rouge_l"] == pytest.approx(by_hand)


def test_bleu_is_one_for_the_references_own_words_and_shrinks_with_brevity():
    same = caption_scores(["a dog barks very loudly"], [["A dog barks, very loudly."]]).scores
    assert [same[f"bleu_{n}"] for n in (1, 2, 3, 4)] == pytest.approx([1] * 4)
    # All four n-gram precisions are 1, the brevity penalty is exp(1 - 8/4).
    brief = caption_scores(["one two three four"], [["one two three four five six seven eight"]]).scores["bleu_4"]
    assert brief == pytest.approx(math.exp(-1), rel=1e-6)


def test_the_closest_reference_sets_the_length_and_the_shorter_of_two():
    # Two words against one of one word and one of three: both are one word away, the shorter counts, no penalty.
    assert caption_scores(["rain falls"], [["rain", "rain falls again"]]).scores["bleu_1"] == pytest.approx(1)


def test_cider_is_ten_for_perfect_captions_that_share_no_words():
    perfect = ["a dog barks very loudly", "soft rain patters on roofs"]
    assert caption_scores(perfect, [[text] for text in perfect]).scores["cider_d"] == pytest.approx(10)


def test_a_single_clip_has_no_cider_and_says_why():
    single = caption_scores(["a dog"], [["a dog"]])
    assert "cider_d" not in single.scores
    assert "two clips" in single.not_computed["cider_d"]
    assert single.scores["rouge_l"] == 1


def test_an_empty_caption_scores_nothing_and_keeps_its_row():
    mixed = caption_scores(["", "rain falls", "..."], [["a dog barks"], ["rain falls"], ["wind blows"]])
    assert mixed.per_clip["rouge_l"] == [0, 1, 0]
    assert mixed.per_clip["cider_d"] == [0, pytest.approx(5), 0]  # two words have neither 3-grams nor 4-grams
    empty = caption_scores(["", ""], [["a dog barks"], ["rain falls"]])
    assert empty.scores["bleu_4"] < 1e-3
    assert empty.not_computed == {
        "distinct_1": "no caption has 1 words or more",
        "distinct_2": "no caption has 2 words or more",
    }


def test_line_breaks_are_blanks():
    broken = [["a bell\nrings twice\u2028and then\r\nrain falls", REFERENCES[0][1]], *REFERENCES[1:]]
    assert caption_scores(CANDIDATES, broken) == caption_scores(CANDIDATES, REFERENCES)


def test_words_already_split_keep_case_and_punctuation():
    def rouge(words):
        return caption_scores(["A dog ."], [["a dog"]], words=words).scores["rouge_l"]

    assert rouge(None) == 1
    assert rouge(AlreadySplit()) < 0.5


@pytest.mark.parametrize(
    ("candidates", "references", "complaint"),
    [
        ([], [], "0 captions"),
        (["a"], [], "1 captions for 0 clips"),
        (["a", "b"], [["a"], []], "clip 1 has no references"),
        (["a", "b"], [["a"], ["b", " ... "]], "reference 2 of clip 1 has no words"),
    ],
)
def test_what_cannot_be_scored_is_refused(candidates, references, complaint):
    with pytest.raises(ValueError, match=complaint):
        caption_scores(candidates, references)


def test_variety_by_hand():
    captions = ["a dog barks", "a dog runs"]
    assert vocabulary_size(captions) == 4
    assert distinct_share(captions, 1) == 4 / 6
    assert distinct_share(captions, 2) == 3 / 4
    with pytest.raises(NotComputable, match="4 words"):
        distinct_share(captions, 4)
    scores = caption_scores(["A dog barks.", "a dog runs"], [["x"], ["y"]]).scores
    assert (scores["vocabulary_size"], scores["distinct_1"], scores["distinct_2"]) == (4, 4 / 6, 3 / 4)


class Given(CaptionScorer):
    def __init__(self, name: str, values: list[float] | None, reason: str = "") -> None:
        self.names, self.values, self.reason = (name,), values, reason

    def score(self, corpus):
        if self.values is None:
            raise NotComputable(self.reason)
        return CorpusScores({self.names[0]: sum(self.values) / 2}, {self.names[0]: self.values})


def combined(*scorers: CaptionScorer) -> CorpusScores:
    return caption_scores(["a b", "c d"], [["a"], ["c"]], scorers)


def test_combinations_are_made_caption_by_caption():
    cider, spice, error = Given("cider_d", [1.0, 2.0]), Given("spice", [0.5, 0.0]), Given("fluency_error", [1.0, 0.0])
    found = combined(cider, spice, error, Given("sentence_similarity", [0.5, 0.75]))
    assert found.per_clip["spider"] == [0.75, 1.0]
    assert found.per_clip["spider_fl"] == pytest.approx([0.075, 1.0])
    assert found.per_clip["fense"] == pytest.approx([0.05, 0.75])
    assert found.scores["spider"] == 0.875
    assert found.scores["fense"] == pytest.approx(0.4)
    assert {combination.name for combination in COMBINATIONS} == {"spider", "spider_fl", "fense"}


def test_a_combination_without_a_part_says_which_and_why_or_is_not_asked_for():
    found = combined(Given("cider_d", [1.0, 2.0]), Given("spice", None, "no jars"), Given("fluency_error", [1.0, 0.0]))
    assert found.not_computed == {"spice": "no jars", "spider": "spice: no jars", "spider_fl": "spider: spice: no jars"}
    assert set(found.scores) == {"cider_d", "fluency_error"}


def test_the_pure_function_gives_zero_for_a_single_clip_as_pycocoevalcap_does():
    assert cider_d(["a dog"], [["a dog"]]) == [0]
