"""Captions as phrases: what is heard, one sound after another or several at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

SEQUENTIAL = ("and then", "and afterwards", "followed by", "then", "before")
TOGETHER = ("as well as", "alongside", "while", "whilst", "with", "as", "and")
UNCOUNTED = {
    "rain",
    "rainfall",
    "wind",
    "thunder",
    "water",
    "steam",
    "traffic",
    "music",
    "speech",
    "laughter",
    "silence",
}
LITTLE = {"a", "an", "the", "this", "that", "these", "those", "some", "any", "of", "to", "is", "are", "it", "its"}
LITTLE |= {"sound", "sounds", "noise", "noises"}
_JOINT = re.compile(rf"\s*(?:,|;)?\s*\b(?:{'|'.join((*SEQUENTIAL, *TOGETHER, 'after'))})\b\s+|\s*[,;]\s+|\.\s+", re.I)
_OPENING = re.compile(r"^(after|while|whilst|as)\s+([^,]+),\s*(.+)$", re.I | re.S)


@dataclass(frozen=True)
class Phrase:
    """One sound of a caption.

    Args:
        words: How it is described.
        joint: What joins it to the phrase before, such as ``, then``; empty at the beginning.
    """

    words: str
    joint: str = ""

    @property
    def follows(self) -> bool:
        """Whether it is heard after the phrase before, and not together with it."""
        return self.joint.strip(",; ").lower() in SEQUENTIAL


@dataclass(frozen=True)
class Phrases:
    """The sounds of a caption, in the order in which it tells them.

    It is cut at ``then``, ``and then``, ``followed by``, ``before`` (one after another), at ``while``, ``as``,
    ``with``, ``and``, commas (together), and at ``after``, which turns two phrases round. Cutting and joining again
    changes nothing but the place of an ``after`` or of a ``while`` that opens a caption.

    Args:
        each: The phrases.
    """

    each: tuple[Phrase, ...]

    @classmethod
    def of(cls, caption: str) -> Phrases:
        """Cut a caption."""
        text = " ".join(caption.split()).rstrip(" .")
        if opening := _OPENING.match(text):
            word, first, rest = opening.groups()
            text = f"{first} {'then' if word.lower() == 'after' else 'while'} {rest}"
        phrases: list[Phrase] = []
        joint, begin = "", 0
        for found in [*_JOINT.finditer(text), None]:
            phrases = _joined(phrases, Phrase(text[begin : found.start() if found else None].strip(), joint))
            if found:
                joint, begin = found[0].strip(), found.end()
        return cls(tuple(phrases))

    def __str__(self) -> str:
        """Return the caption."""
        spaced = [f"{phrase.joint} {phrase.words}" for phrase in self.each]
        return "".join(words if words[0] in " ,;." else f" {words}" for words in spaced).strip()

    def without(self, place: int) -> Phrases:
        """Return these without one phrase; what stood around it follows one another if either side did."""
        before, gone, after = self.each[:place], self.each[place], self.each[place + 1 :]
        if after and not before:
            after = (replace(after[0], joint=""), *after[1:])
        elif after and gone.follows and not after[0].follows:
            after = (replace(after[0], joint="then"), *after[1:])
        return Phrases((*before, *after))

    def exchanged(self, place: int, words: str) -> Phrases:
        """Return these with other words for one phrase."""
        return Phrases((*self.each[:place], replace(self.each[place], words=words), *self.each[place + 1 :]))

    def together_with(self, place: int, words: str) -> Phrases:
        """Return these with one more phrase, heard together with one of them."""
        return self._inserted(place + 1, Phrase(words, "with"))

    def after(self, place: int, words: str) -> Phrases:
        """Return these with one more phrase, heard after one of them and all that is together with it."""
        end = next((number for number in range(place + 1, len(self.each)) if self.each[number].follows), len(self.each))
        return self._inserted(end, Phrase(words, "followed by"))

    def before(self, place: int, words: str) -> Phrases:
        """Return these with one more phrase, heard before one of them and all that is together with it."""
        start = next((number for number in range(place, 0, -1) if self.each[number].follows), 0)
        if start:
            return self._inserted(start, Phrase(words, "then"))
        return Phrases((Phrase(words), replace(self.each[0], joint="then"), *self.each[1:]))

    def _inserted(self, place: int, phrase: Phrase) -> Phrases:
        return Phrases((*self.each[:place], phrase, *self.each[place:]))


def with_article(words: str) -> str:
    """Return a description as one of something not yet spoken of: ``the bell`` becomes ``a bell``."""
    bare = re.sub(r"^(?:the|this|that)\s+", "", words.strip(), flags=re.I)
    noun = "".join(heads(bare)[-1:])
    if bare == words.strip() or noun in UNCOUNTED or (noun.endswith("s") and not noun.endswith("ss")):
        return bare
    return f"{'an' if bare[0].lower() in 'aeiou' else 'a'} {bare}"


def heads(words: str) -> list[str]:
    """Return the content words of a description up to its noun, which is the last of them."""
    before = re.split(r"\b(?:that|which|who|in|on|from)\b", words.lower(), maxsplit=1)[0]
    return [word for word in re.findall(r"[^\W\d_]+", before) if word not in LITTLE]


def stem(word: str) -> str:
    """Return a word without its ending: ``barks``, ``barking`` and ``bark`` are one."""
    word = word.lower()
    found = re.fullmatch(r"(.{3,}?)(?:ing|ed|e?s|e)", word)
    return re.sub(r"i$", "y", found[1]) if found and not word.endswith("ss") else word


def _joined(phrases: Sequence[Phrase], phrase: Phrase) -> list[Phrase]:
    """Append a phrase; one that comes ``after`` the last goes, in time, the other way round."""
    if not phrase.words:
        return list(phrases)
    if not phrases:
        return [replace(phrase, joint="")]
    if phrase.joint.strip(",; ").lower() != "after":
        return [*phrases, phrase]
    last = phrases[-1]
    return [*phrases[:-1], Phrase(phrase.words, last.joint), Phrase(last.words, "then")]
