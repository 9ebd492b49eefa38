"""Texts with blanks: what is given, and the canvases that it may fill."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from uat_lightning.metrics.plain_words import plain_words
from uat_lightning.text import Tokenizer

BLANK = re.compile(r"_{2,}")
PROBE = "a"  # a word before a stretch, to have it tokenized as the middle of a text


@dataclass(frozen=True)
class Blanks:
    """A text in which some stretches are to be written; it has no words but these and the given ones.

    Args:
        given: Token ids before, between and behind the blanks; one stretch more than there are blanks.
        said: The same as plain words.
    """

    given: list[list[int]]
    said: list[str]

    @classmethod
    def read(cls, text: str, tokenizer: Tokenizer) -> Blanks:
        """Read a text where ``___`` (two or more underscores) stands for one or more words.

        Raises:
            ValueError: If there is no blank, or the text does not fit the canvas even with the shortest words.
        """
        stretches = [stretch.rstrip() for stretch in BLANK.split(text.strip())]
        if len(stretches) < 2:
            raise ValueError(f"nothing to fill in: write ___ where words are missing in {text[:60]!r}")
        given = [_middle(stretch, tokenizer) if place else _start(stretch, tokenizer)
                 for place, stretch in enumerate(stretches)]  # fmt: skip
        blanks = cls(given, [plain_words(tokenizer.text(ids)) for ids in given])
        least, room = blanks.words + len(stretches) - 1, tokenizer.canvas - 1
        if least > room:
            raise ValueError(f"the given words and blanks need at least {least} tokens, {room} fit: {text[:60]!r}")
        return blanks

    @property
    def words(self) -> int:
        """Number of given tokens."""
        return sum(map(len, self.given))

    def canvases(self, tokenizer: Tokenizer, longest: int, most: int) -> list[list[int]]:
        """Return the canvases to fill: every combination of lengths of the blanks that fits, masked in the blanks.

        Args:
            tokenizer: Whose canvas it is.
            longest: Tokens of a blank at most.
            most: Canvases at most; with many blanks each is shorter for it.
        """
        count, room = len(self.given) - 1, tokenizer.canvas - 1 - self.words
        while longest > 1 and longest**count > most:
            longest -= 1
        lengths = itertools.product(range(1, longest + 1), repeat=count)
        return [self._canvas(some, tokenizer) for some in lengths if sum(some) <= room]

    def _canvas(self, lengths: Sequence[int], tokenizer: Tokenizer) -> list[int]:
        ids = list(self.given[0])
        for length, stretch in zip(lengths, self.given[1:], strict=True):
            ids += [tokenizer.mask_id] * length + stretch
        return [*ids, tokenizer.end_id, *[tokenizer.pad_id] * (tokenizer.canvas - len(ids) - 1)]

    def kept_in(self, text: str) -> bool:
        """Say whether a text has all given words, whole, and a word or more in each blank."""
        pattern = r"(?:\S+ )+".join(f"{re.escape(words)} " if words else "" for words in self.said)
        return re.fullmatch(pattern, plain_words(text) + " ") is not None


def _start(stretch: str, tokenizer: Tokenizer) -> list[int]:
    return tokenizer.words([stretch])[0] if stretch else []


def _middle(stretch: str, tokenizer: Tokenizer) -> list[int]:
    if not stretch:
        return []
    joint = f" {stretch}" if stretch[0].isalnum() else stretch
    probe, ids = tokenizer.words([PROBE, PROBE + joint])
    return ids[len(probe) :] if ids[: len(probe)] == probe else tokenizer.words([stretch])[0]
