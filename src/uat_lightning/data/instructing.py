"""What to say to somebody who is to add, remove or replace a sound that has a caption."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.random import Generator

ADDING = ("add {new}", "insert {new}", "mix in {new}", "put in {new}", "add the sound of {new}")
DELETING = ("remove {old}", "delete {old}", "take out {old}", "get rid of {old}", "remove the sound of {old}")
REPLACING = ("replace {old} with {new}", "swap {old} for {new}", "change {old} into {new}", "turn {old} into {new}")
LOCATING_PROBABILITY = 0.5  # with which an addition says at which end it goes, where that is true


def inside(caption: str) -> str:
    """Return a caption as words within a sentence: no capital at its beginning, no full stop at its end."""
    words = " ".join(caption.split()).rstrip(" .!?;,")
    first = words.split(" ", 1)[0]
    # Acronyms and "I" stay as they are.
    return words if first[1:] != first[1:].lower() or first in ("I", "I'm") else words[:1].lower() + words[1:]


def adding(rng: Generator, new: str, end: str = "") -> str:
    """Ask for one more sound, by its caption; ``end`` is ``beginning``, ``end`` or nothing."""
    text = _pick(rng, ADDING).format(new=inside(new))
    return f"{text} at the {end}" if end and rng.random() < LOCATING_PROBABILITY else text


def deleting(rng: Generator, old: str) -> str:
    """Ask for a sound to go, by its caption."""
    return _pick(rng, DELETING).format(old=inside(old))


def replacing(rng: Generator, old: str, new: str) -> str:
    """Ask for one sound in the place of another, by their captions."""
    return _pick(rng, REPLACING).format(old=inside(old), new=inside(new))


def together(*captions: str) -> str:
    """Return one caption of sounds that are mixed."""
    return " and ".join(inside(caption) for caption in captions)


def _pick(rng: Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]
