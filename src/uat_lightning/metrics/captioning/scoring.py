"""All scores of captions against their references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from uat_lightning.metrics.captioning.combined import COMBINATIONS
from uat_lightning.metrics.captioning.fluency import ErrorDetector, FluencyError
from uat_lightning.metrics.captioning.meteor import Meteor
from uat_lightning.metrics.captioning.ngrams import Bleu, CiderD, RougeL
from uat_lightning.metrics.captioning.scores import (
    CaptionCorpus,
    Captions,
    CaptionScorer,
    NotComputable,
)
from uat_lightning.metrics.captioning.sentences import SentenceEmbedder, SentenceSimilarity
from uat_lightning.metrics.captioning.spice import Spice
from uat_lightning.metrics.captioning.variety import Variety
from uat_lightning.metrics.captioning.words import Treebank, Words
from uat_lightning.metrics.corpus_scores import CorpusScores


def quick_scorers() -> list[CaptionScorer]:
    """Return what needs neither Java nor weights: BLEU, ROUGE-L, CIDEr-D, vocabulary and distinct-n."""
    return [Bleu(), RougeL(), CiderD(), Variety()]


def every_scorer(
    parser: Path | None = None, embedder: SentenceEmbedder | None = None, detector: ErrorDetector | None = None
) -> list[CaptionScorer]:
    """Return all scorers; each one whose means are absent leaves a reason in place of its score.

    Args:
        parser: Folder of Stanford CoreNLP 3.6.0, for SPICE and SPIDEr.
        embedder: Places sentences, for sentence similarity and FENSE.
        detector: Finds errors of fluency, for FENSE and SPIDEr-FL.
    """
    return [*quick_scorers(), Meteor(), Spice(parser), SentenceSimilarity(embedder), FluencyError(detector)]


def caption_scores(
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    scorers: Sequence[CaptionScorer] | None = None,
    words: Words | None = None,
) -> CorpusScores:
    """Score one caption per clip.

    Args:
        candidates: The caption of each clip; an empty one scores 0.
        references: The true captions of each clip, one or more, each with a word.
        scorers: What to compute; ``quick_scorers`` where None. SPIDEr, SPIDEr-FL and FENSE come with their parts.
        words: How captions are split into words; ``Treebank`` where None.

    Raises:
        ValueError: If there are no clips, their numbers differ, or a reference has no words.
    """
    corpus = caption_corpus(candidates, references, words or Treebank())
    found = CorpusScores()
    for scorer in quick_scorers() if scorers is None else scorers:
        try:
            found |= scorer.score(corpus)
        except NotComputable as reason:
            found |= CorpusScores(not_computed=dict.fromkeys(scorer.names, str(reason)))
    for combination in COMBINATIONS:
        found = combination.add_to(found)
    return found


def caption_corpus(candidates: Sequence[str], references: Sequence[Sequence[str]], words: Words) -> CaptionCorpus:
    """Return captions with their words; line breaks within one become blanks.

    Raises:
        ValueError: See ``caption_scores``.
    """
    check_captions(candidates, references)
    texts = Captions([_line(text) for text in candidates], [[_line(text) for text in some] for some in references])
    split = iter(words.split([*texts.candidates, *(text for some in texts.references for text in some)]))
    said = [next(split) for _ in texts.candidates]
    true = [[next(split) for _ in some] for some in texts.references]
    for clip, some in enumerate(true):
        if "" in some:
            raise ValueError(f"reference {some.index('') + 1} of clip {clip} has no words: leave it out")
    return CaptionCorpus(texts, Captions(said, true))


def check_captions(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Refuse captions that cannot be scored.

    Raises:
        ValueError: If there are none, or a clip has no reference, or numbers differ.
    """
    if not candidates or len(candidates) != len(references):
        raise ValueError(f"{len(candidates)} captions for {len(references)} clips with references: give one for each")
    if not all(references):
        raise ValueError(f"clip {[bool(some) for some in references].index(False)} has no references")


def _line(text: str) -> str:
    return " ".join(text.split())
