"""Instructions, and captions that follow them: ``replace the bell with a siren``."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from uat_lightning.text.phrases import Phrases, with_article
from uat_lightning.text.pointing import Pointing, WordPointing
from uat_lightning.text.qualities import QUALITIES, Quality


class NotHeard(ValueError):
    """An instruction names something that the caption does not tell of.

    Args:
        what: What it names.
        caption: What is heard.
    """

    def __init__(self, what: str, caption: str) -> None:
        super().__init__(f"{what!r} names nothing that is heard: the caption is {caption!r}")
        self.what = what


class Instruction(ABC):
    """Something to do to what is heard.

    It is applied to a caption: the phrase that it names is found, and the caption is told anew. The rules are few, and
    all of them are here and in ``Phrases``; whatever they do not cover is said by a target caption of one's own.
    """

    @property
    def only_adds(self) -> bool:
        """Whether all that is heard stays as it is; not so by default."""
        return False

    @abstractmethod
    def apply(self, caption: str, pointing: Pointing | None = None) -> str:
        """Return the caption of what is to be heard.

        Args:
            caption: What is heard now.
            pointing: Finds the phrase that is named; by its words where None.

        Raises:
            NotHeard: If nothing that is named is heard.
            ValueError: If nothing would be left.
        """


@dataclass(frozen=True)
class Add(Instruction):
    """One more sound.

    Args:
        what: What to add.
        where: ``with`` something, ``after`` or ``before`` it; with the last of all where nothing is named.
        place: What that is; empty where nothing is named: then after or before everything.
    """

    what: str
    where: str = "with"
    place: str = ""

    @property
    def only_adds(self) -> bool:
        """It does: what was there stays."""
        return True

    def apply(self, caption: str, pointing: Pointing | None = None) -> str:
        """Return the caption with the new phrase at its place."""
        phrases = Phrases.of(caption)
        if not phrases.each:
            return with_article(self.what)
        last = 0 if self.where == "before" else len(phrases.each) - 1
        number = _named(phrases, self.place, pointing) if self.place else last
        put = {"with": phrases.together_with, "after": phrases.after, "before": phrases.before}[self.where]
        return str(put(number, self.what))


@dataclass(frozen=True)
class Remove(Instruction):
    """One sound less.

    Args:
        what: What is to go.
    """

    what: str

    def apply(self, caption: str, pointing: Pointing | None = None) -> str:
        """Return the caption without the phrase that is named."""
        phrases = Phrases.of(caption)
        left = phrases.without(_named(phrases, self.what, pointing))
        if not left.each:
            raise ValueError(f"nothing is left to hear without {self.what}: the caption is {caption!r}")
        return str(left)


@dataclass(frozen=True)
class Replace(Instruction):
    """One sound in the place of another.

    Args:
        old: What is to go.
        new: What comes instead.
    """

    old: str
    new: str

    def apply(self, caption: str, pointing: Pointing | None = None) -> str:
        """Return the caption with the new words for the phrase that is named."""
        phrases = Phrases.of(caption)
        return str(phrases.exchanged(_named(phrases, self.old, pointing), self.new))


@dataclass(frozen=True)
class Alter(Instruction):
    """The same sound, otherwise.

    Args:
        what: What is to change.
        quality: How it is to be.
    """

    what: str
    quality: Quality

    def apply(self, caption: str, pointing: Pointing | None = None) -> str:
        """Return the caption with the phrase that is named given the quality, and not its opposites."""
        phrases = Phrases.of(caption)
        number = _named(phrases, self.what, pointing)
        return str(phrases.exchanged(number, self.quality.given_to(phrases.each[number].words)))


@dataclass(frozen=True)
class Said(Instruction):
    """An instruction in somebody's words, which are read when they are applied to a caption.

    A model that follows instructions takes the words as they are, whether or not they can be read.

    Args:
        words: What was said.
    """

    words: str

    @property
    def only_adds(self) -> bool:
        """Whether what was said does; not where it cannot be read."""
        try:
            return read_instruction(self.words).only_adds
        except ValueError:
            return False

    def apply(self, caption: str, pointing: Pointing | None = None) -> str:
        """Return the caption that follows from the words."""
        return read_instruction(self.words).apply(caption, pointing)


@dataclass(frozen=True)
class Applied(Said):
    """An instruction that was applied to a caption before, and means the same here, whatever is heard.

    Args:
        words: What was said.
        caption: What followed from it.
    """

    caption: str

    def apply(self, caption: str, pointing: Pointing | None = None) -> str:
        """Return what followed."""
        return self.caption


def read_instruction(text: str) -> Instruction:
    """Read an instruction.

    Args:
        text: It begins with what to do: add, insert, put in, mix in; remove, delete, take out, get rid of, mute;
            replace, swap, change or turn one into another; make something louder, quieter, faster, slower, higher,
            lower, distant or closer, turn it up or down, speed it up or slow it down.

    Raises:
        ValueError: If it cannot be read.
    """
    words = re.sub(r"^(?:please|can you|could you)\s+", "", " ".join(text.split()).rstrip(" .!?"), flags=re.I)
    words = re.sub(r"\s+(?:to|from|in) (?:the|this) (?:audio|clip|recording|mix|file)$", "", words, flags=re.I)
    for pattern, make in _PATTERNS:
        if found := re.fullmatch(pattern, words, flags=re.I):
            return make(found)
    example = "'replace the bell with a siren'"
    raise ValueError(f"cannot read the instruction {text!r}: begin with add, remove, replace or make, as in {example}")


def _named(phrases: Phrases, what: str, pointing: Pointing | None) -> int:
    number = (pointing or WordPointing()).find(phrases, what)
    if number is None:
        raise NotHeard(what, str(phrases))
    return number


def _add(found: re.Match[str]) -> Instruction:
    where = (found["where"] or "with").lower()
    return Add(found["what"], where if where in ("after", "before") else "with", found["place"] or "")


def _at(found: re.Match[str]) -> Instruction:
    return Add(found["what"], "after" if found["end"].lower() == "end" else "before")


def _alter(quality: str) -> Callable[[re.Match[str]], Instruction]:
    return lambda found: Alter(found["what"], QUALITIES[quality])


def _made(found: re.Match[str]) -> Instruction:
    return Alter(found["what"], QUALITIES[" ".join(found["how"].lower().split())])


_ADD = r"(?:add|insert|put in|mix in|introduce|include|overlay)\s+(?P<what>.+?)"
_REMOVE = r"(?:remove|delete|take out|take away|get rid of|drop|erase|mute|silence|eliminate)"
_HOW = "|".join(sorted(QUALITIES, key=len, reverse=True))
_PATTERNS: tuple[tuple[str, Callable[[re.Match[str]], Instruction]], ...] = (
    (rf"{_ADD}\s+at the (?P<end>beginning|start|end)", _at),
    (rf"{_ADD}(?:\s+(?P<where>over|during|on top of|alongside|while|after|before)\s+(?P<place>.+))?", _add),
    (rf"{_REMOVE}\s+(?P<what>.+)", lambda found: Remove(found["what"])),
    (r"(?:turn|bring) up\s+(?P<what>.+)", _alter("louder")),
    (r"turn\s+(?P<what>.+)\s+up", _alter("louder")),
    (r"(?:turn|bring) down\s+(?P<what>.+)", _alter("quieter")),
    (r"turn\s+(?P<what>.+)\s+down", _alter("quieter")),
    (r"speed up\s+(?P<what>.+)", _alter("faster")),
    (r"speed\s+(?P<what>.+)\s+up", _alter("faster")),
    (r"slow down\s+(?P<what>.+)", _alter("slower")),
    (r"slow\s+(?P<what>.+)\s+down", _alter("slower")),
    (rf"(?:make|let|turn)\s+(?P<what>.+?)\s+(?:be\s+)?(?:sound\s+)?(?P<how>{_HOW})", _made),
    (
        r"(?:replace|swap|exchange|change|turn|make|substitute)\s+(?P<old>.+?)\s+(?:with|for|by|into|to)\s+(?P<new>.+)",
        lambda found: Replace(found["old"], found["new"]),
    ),
    (r"use\s+(?P<new>.+?)\s+instead of\s+(?P<old>.+)", lambda found: Replace(found["old"], found["new"])),
)
