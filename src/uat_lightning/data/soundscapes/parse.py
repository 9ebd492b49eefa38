"""Reading a caption back: which events it mentions, what it says of them and how it relates them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .scene import Relation, relations
from .vocabulary import AFTER_VERB, BEFORE_NOUN, EVENTS

THEN_WORDS = frozenset({"then", "followed", "before", "next", "later", "afterwards"})
WHILE_WORDS = frozenset({"while", "as", "with", "over", "during", "and", "alongside", "whilst"})

_NOUNS = {tuple(phrase.noun.split()): name for name, kind in EVENTS.items() for phrase in kind.phrases}
_BEFORE = {tuple(text.split()): name for name, texts in BEFORE_NOUN.items() for text in texts}
_AFTER = {tuple(text.split()): name for name, texts in AFTER_VERB.items() for text in texts}
_LONGEST = max(len(words) for words in (*_NOUNS, *_BEFORE, *_AFTER))


@dataclass(frozen=True)
class Mention:
    """One event a caption mentions: its class name and the attributes the caption gives it."""

    name: str
    attributes: frozenset[str]


@dataclass(frozen=True)
class Parsed:
    """What a caption says: its mentions in order and their relations in normal form."""

    mentions: tuple[Mention, ...]
    relations: tuple[Relation, ...]


def parse(caption: str) -> Parsed:
    """Read any text as a caption; unknown words are ignored, so the result may be empty."""
    reader = _Reader()
    words = re.findall(r"[a-z]+|,", caption.lower())
    while words:
        del words[: reader.read(words)]
    mentions = tuple(Mention(name, frozenset(heard)) for name, heard in reader.mentions)
    return Parsed(mentions, relations(reader.groups))


class _Reader:
    """Walks over a caption's words and keeps what it has understood so far."""

    def __init__(self) -> None:
        self.mentions: list[tuple[str, set[str]]] = []
        self.groups: list[list[str]] = []
        self._current = 0  # the group of the latest mention
        self._pending: set[str] = set()  # adjectives that wait for their noun
        self._link = ""  # how the next mention joins the latest one
        self._opening = ""  # a leading "after" or "while" that a comma will resolve

    def read(self, words: list[str]) -> int:
        """Understand the longest known phrase at the front and return how many words it has."""
        for length in range(min(_LONGEST, len(words)), 0, -1):
            phrase = tuple(words[:length])
            if phrase in _NOUNS:
                self._mention(_NOUNS[phrase])
                return length
            if phrase in _BEFORE:
                self._pending.add(_BEFORE[phrase])
                return length
            if phrase in _AFTER and self.mentions:
                self.mentions[-1][1].add(_AFTER[phrase])
                return length
        self._connect(words[0])
        return 1

    def _connect(self, word: str) -> None:
        """Note how the next mention relates to the latest; of several connectors the strongest counts."""
        if not self.mentions:
            self._opening = {"after": "then", "while": "while", "as": "while"}.get(word, self._opening)
        elif word in THEN_WORDS:
            self._link = "then"
        elif word == "after" and self._link != "then":
            self._link = "after"
        elif word == "," and self._opening:
            self._link, self._opening = self._opening, ""
        elif word in WHILE_WORDS and not self._link:
            self._link = "while"

    def _mention(self, name: str) -> None:
        self.mentions.append((name, self._pending))
        if not self.groups:
            self.groups.append([name])
        elif self._link == "while":
            self.groups[self._current].append(name)
        else:
            self._current += 0 if self._link == "after" else 1
            self.groups.insert(self._current, [name])
        self._pending, self._link = set(), ""
