"""The n-grams of a corpus of captions as tables of numbers, counted once for all scores that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

LONGEST = 4
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class NgramTable:
    """The different n-grams of one length in each text, sorted by text and n-gram.

    Args:
        text: Number of the text, (rows,).
        ngram: Number of the n-gram, (rows,).
        count: How often the text has it, (rows,).
        kinds: Different n-grams in all texts.
    """

    text: Numbers
    ngram: Numbers
    count: Numbers
    kinds: int


@dataclass(frozen=True)
class NgramTables:
    """A table for each length from one to four words, of candidates and references together.

    Args:
        words: Words of each text, (texts,); the candidates come first, then the references, clip by clip.
        clip: The clip of each text, (texts,).
        clips: Number of clips.
        tables: The tables, that of single words first.
    """

    words: Numbers
    clip: Numbers
    clips: int
    tables: Sequence[NgramTable]

    @classmethod
    def of(cls, candidates: Sequence[str], references: Sequence[Sequence[str]]) -> NgramTables:
        """Count the n-grams of captions.

        Args:
            candidates: Words of each caption, separated by blanks.
            references: Words of the true captions of each clip.

        Raises:
            ValueError: If the numbers of clips differ.
        """
        if len(candidates) != len(references):
            raise ValueError(f"{len(candidates)} captions for {len(references)} clips: give one for each")
        texts = [text.split() for text in chain(candidates, *references)]
        words = np.fromiter(map(len, texts), np.int64, len(texts))
        each = np.fromiter(map(len, references), np.int64, len(references))
        clip = np.concatenate([np.arange(len(each)), np.repeat(np.arange(len(each)), each)])
        return cls(words, clip, len(each), _tables(_numbered(texts), words))

    def ngrams(self, length: int) -> Numbers:
        """Return how many n-grams of a length each text has, (texts,)."""
        return np.maximum(0, self.words - (length - 1))

    def of_references(self, length: int) -> tuple[NgramTable, Numbers, NDArray[np.bool_]]:
        """Return the references' rows of a table, where the candidate's row of the same n-gram is, and whether it is.

        Args:
            length: Words of an n-gram.

        Returns:
            The rows; for each of them a row of the whole table, the candidates' coming first; True where that row is
            the candidate's of the same clip and n-gram.
        """
        table = self.tables[length - 1]
        first = int(np.searchsorted(table.text, self.clips))
        rows = NgramTable(table.text[first:], table.ngram[first:], table.count[first:], table.kinds)
        said = table.text[:first] * table.kinds + table.ngram[:first]
        wanted = self.clip[rows.text] * table.kinds + rows.ngram
        place = np.searchsorted(said, wanted)
        there = place < first
        there[there] = said[place[there]] == wanted[there]
        return rows, place, there


def _numbered(texts: Sequence[Sequence[str]]) -> Numbers:
    """Return a number for each word of all texts in a row."""
    row = list(chain.from_iterable(texts))
    numbers = {word: number for number, word in enumerate(dict.fromkeys(row))}
    return np.fromiter(map(numbers.__getitem__, row), np.int64, len(row))


def _tables(numbers: Numbers, words: Numbers) -> list[NgramTable]:
    """Count the n-grams of each length: a longer one is a shorter one and a further word."""
    text = np.repeat(np.arange(len(words)), words)
    left = np.repeat(words.cumsum(), words) - np.arange(len(numbers))  # words from here to the text's end
    kinds, ngram, tables = int(numbers.max(initial=-1)) + 1, numbers, []
    vocabulary, begins = kinds, np.arange(len(numbers))
    for length in range(1, LONGEST + 1):
        if length > 1:
            longer = left[begins] >= length
            begins = begins[longer]
            known, ngram = np.unique(ngram[longer] * vocabulary + numbers[begins + length - 1], return_inverse=True)
            kinds = len(known)
        keys, count = np.unique(text[begins] * kinds + ngram, return_counts=True)
        tables.append(NgramTable(keys // max(1, kinds), keys % max(1, kinds), count, kinds))
    return tables
