"""What captions are like: how many, how long, how varied."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

from uat_lightning.data.doctor.tally import spread

WORD = re.compile(r"\w+(?:['\u2019]\w+)*")  # don't is one word, with either apostrophe
OFTEN = 5  # captions named that come most often


class CaptionTally:
    """Adds up the captions of a split."""

    def __init__(self) -> None:
        self.per_clip, self.words = array("l"), array("l")
        self.vocabulary: set[str] = set()
        self.texts: Counter[str] = Counter()
        self.empty = self.not_ascii = 0

    def add(self, captions: Sequence[str]) -> None:
        """Take in the captions of a clip."""
        self.per_clip.append(len(captions))
        for text in captions:
            self.words.append(len(text.split()))
            self.vocabulary.update(WORD.findall(text.lower()))
            self.texts[text] += 1
            self.empty += not text.strip()
            self.not_ascii += not text.isascii()

    def summary(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        often = [(text, count) for text, count in self.texts.most_common(OFTEN) if count > 1]
        return {
            "captions": len(self.words),
            "per_clip": spread(self.per_clip),
            "words": spread(self.words),
            "vocabulary": len(self.vocabulary),
            "unique": len(self.texts),
            "repeated": len(self.words) - len(self.texts),
            "empty": self.empty,
            "not_ascii": self.not_ascii,
            "most_frequent": dict(often),
        }
