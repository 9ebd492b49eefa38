from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from java_here import GERMAN, needs_java
from uat_lightning.metrics.captioning import AlreadySplit, CaptionScorer, Meteor, caption_scores, quick_scorers
from uat_lightning.metrics.captioning.java_treebank import JavaTreebank
from uat_lightning.metrics.captioning.meteor import MeteorProgram
from uat_lightning.metrics.captioning.ngrams import cider_d
from uat_lightning.metrics.captioning.words import Treebank

SINGLE = "individual"


def cases(shared: Path, folder: str) -> list[dict]:
    return json.loads((shared / "cases" / folder / "cases.json").read_text())


def coco(shared: Path) -> tuple[list[str], list[list[str]], dict]:
    folder = shared / "cases" / "coco_fakecap"
    with gzip.open(folder / "data.json.gz", "rt") as file:
        corpus = json.load(file)
    return corpus["candidates"], corpus["references"], json.loads((folder / "expected.json").read_text())


def check(case: dict, scorers: list[CaptionScorer] | None = None) -> set[str]:
    """Compare with what was published and return what was compared."""
    words = Treebank() if case["tokenize"] == "ptb" else AlreadySplit()
    found = caption_scores(case["candidates"], case["references"], scorers, words)
    tolerance = case.get("tolerance_abs", 0.5 * 10 ** -case.get("places", 5))
    compared = found.scores.keys() & case["expected"].keys()
    for name in compared:
        assert found.scores[name] == pytest.approx(case["expected"][name], abs=tolerance), name
    for name, values in case.get("expected_sents", {}).items():
        assert found.per_clip[name] == pytest.approx(values, abs=tolerance)
    return compared


@pytest.mark.parametrize("folder", ["nlg_eval", "clipscore", "aac_metrics"])
def test_published_scores_come_out(shared, folder):
    for case in cases(shared, folder):
        missing = case["expected"].keys() - check(case) - {"meteor", "spice"}
        assert missing == ({"cider_d"} if case["name"].startswith(SINGLE) else set())
        if missing:  # published as 0; here it is absent, and 0 by the pure function
            assert cider_d(case["candidates"], case["references"]) == [case["expected"]["cider_d"]]


def test_a_thousand_coco_captions_come_out_and_their_counts_exactly(shared):
    candidates, references, expected = coco(shared)
    scores = caption_scores(candidates, references).scores
    for name in ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"):
        assert scores[name] == pytest.approx(expected["published"][name], abs=expected["published"]["tolerance_abs"])
        assert scores[name] == pytest.approx(expected["measured_pycocoevalcap_1.2_java17"][name], abs=1e-12)
    counts = expected["published"]["stats"]
    said = [len(text.split()) for text in Treebank().split(candidates)]
    assert [sum(max(0, words - n) for words in said) for n in range(4)] == counts["guess"]


@needs_java
def test_the_java_tokenizer_gives_a_thousand_coco_captions_the_same_scores(shared):
    candidates, references, _ = coco(shared)
    assert caption_scores(candidates, references, words=JavaTreebank()) == caption_scores(candidates, references)


@needs_java
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_published_meteor_scores_come_out_of_one_program_in_german_too(shared, monkeypatch):
    for name, value in GERMAN.items():
        monkeypatch.setenv(name, value)
    candidates, references, expected = coco(shared)
    published = [
        (case, case["expected"]["meteor"]) for folder in ("nlg_eval", "clipscore") for case in cases(shared, folder)
    ]
    assert len(published) == 6
    with MeteorProgram() as program:
        for case, value in published:
            words = Treebank() if case["tokenize"] == "ptb" else AlreadySplit()
            said, true = words.split(case["candidates"]), [words.split(texts) for texts in case["references"]]
            assert program.score(said, true)[0] == pytest.approx(value, abs=5e-5), case["name"]
        true = [Treebank().split(texts) for texts in references]
        together, single = program.score(Treebank().split(candidates), true)
        same = program.score(["a b"], [["a b"]])[0]
        assert program.score(["", "a ||| b"], [["a dog"], ["a b"]])[1] == [0, pytest.approx(same)]
    assert together == pytest.approx(expected["published"]["meteor"], abs=expected["published"]["tolerance_abs"])
    assert together == pytest.approx(expected["measured_pycocoevalcap_1.2_java17"]["meteor"], abs=1e-12)
    assert len(single) == len(candidates)


@needs_java
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_meteor_stands_beside_the_other_scores(shared):
    good, _ = cases(shared, "clipscore")
    assert "meteor" in check(good, [*quick_scorers(), Meteor()])
