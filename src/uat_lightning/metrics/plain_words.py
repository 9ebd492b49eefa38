"""The words of a caption and nothing else."""

from __future__ import annotations

import re


def plain_words(caption: str) -> str:
    """Return a caption's words in lower case, separated by single blanks; all punctuation is dropped.

    Letters, digits and apostrophes make words. For comparing texts with each other, not for published scores.
    """
    return " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)*", caption.lower()))
