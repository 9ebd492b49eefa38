"""Corpus scores of captions against several references, as the field computes them, without Java."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge


@dataclass(frozen=True)
class CaptionScores:
    """Scores of a corpus of captions; every one depends on the whole corpus or is a mean over it.

    Args:
        bleu_4: BLEU-4 (Papineni et al. 2002) with corpus counts, 0 to 1.
        rouge_l: Mean ROUGE-L (Lin 2004) with beta 1.2, 0 to 1.
        cider_d: CIDEr-D (Vedantam et al. 2015), 0 to 10; its word weights come from the references of this corpus, so
            that it compares with that of the same clips only. NaN for fewer than two clips, which give no weights.
    """

    bleu_4: float
    rouge_l: float
    cider_d: float


def tokenize(caption: str) -> str:
    """Return a caption's words in lower case, separated by single blanks; punctuation is dropped.

    It stands in the place of the Penn Treebank tokenizer, which needs Java. Letters, digits and apostrophes make
    words. For captions without abbreviations, clitics or hyphens both give the same words.
    """
    return " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)*", caption.lower()))


def caption_scores(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """Score one caption per clip with the scorers of ``pycocoevalcap`` behind ``tokenize``.

    Args:
        candidates: One caption per clip; an empty one scores 0.
        references: The true captions of each clip, at least one.

    Raises:
        ValueError: If there are no clips, their numbers differ or a clip has no reference.
    """
    if not candidates or len(candidates) != len(references) or not all(references):
        raise ValueError(f"{len(candidates)} captions for {len(references)} clips: give each one, and references")
    said = {clip: [tokenize(caption)] for clip, caption in enumerate(candidates)}
    true = {clip: [tokenize(caption) for caption in captions] for clip, captions in enumerate(references)}
    bleu, _ = Bleu(4).compute_score(true, said, verbose=0)
    rouge, _ = Rouge().compute_score(true, said)
    cider = Cider().compute_score(true, said)[0] if len(said) > 1 else nan
    return CaptionScores(float(bleu[3]), float(rouge), float(cider))
