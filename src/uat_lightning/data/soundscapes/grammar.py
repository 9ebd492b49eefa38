"""The caption grammar: several short, true sentences for every scene."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

from numpy.random import Generator

from .scene import Event, Scene
from .vocabulary import AFTER_VERB, ATTRIBUTES, BEFORE_NOUN, EVENTS, Phrase

Choice = TypeVar("Choice")

LONGEST_CAPTION = 24  # words
NAMING_PROBABILITY = 0.8  # with which a caption names each attribute
COUNTS = frozenset(ATTRIBUTES["count"])

# In a template, A is event A as a clause ("a bell rings twice") and a is its noun phrase ("a bell that rings twice").
ALONE = ("A", "A", "A", "a", "the sound of a")
THEN = (
    "A then B",
    "A and then B",
    "A followed by b",
    "A before B",
    "after A, B",
)
WHILE = ("A while B", "A as B", "A with b", "while A, B")
THEN_THEN = (
    "A then B then C",
    "A, then B, then C",
    "A followed by b then C",
    "A then B and then C",
    "A before B then C",
)
WHILE_THEN = (
    "A while B, then C",
    "A as B and then C",
    "A with b followed by c",
    "A while B before C",
)


def caption(scene: Scene, rng: Generator) -> str:
    """Write one lower-case caption of at most 24 words that says only what is true of the scene."""
    for naming in (NAMING_PROBABILITY, NAMING_PROBABILITY / 2.0, 0.0):
        text = _fill(_pick(rng, _templates(scene)), _told_in_order(scene), rng, naming)
        if len(text.split()) <= LONGEST_CAPTION:
            break
    return text


def captions(scene: Scene, count: int, rng: Generator) -> tuple[str, ...]:
    """Write count captions of the scene, distinct where a few more attempts make them so."""
    texts: dict[str, None] = {}
    for _ in range(3 * count):
        texts[caption(scene, rng)] = None
        if len(texts) == count:
            break
    found = tuple(texts)
    return tuple(found[turn % len(found)] for turn in range(count))


def clause(event: Event, rng: Generator, naming: float = NAMING_PROBABILITY) -> str:
    """Describe an event with a verb, such as "a deep bell rings twice", naming attributes with a probability."""
    phrase = _pick(rng, EVENTS[event.name].phrases)
    before, after = _split(_named(event, rng, naming), rng)
    return " ".join([_with_article(phrase, before, rng), phrase.verb, *_worded(after, AFTER_VERB, rng)])


def noun_phrase(event: Event, rng: Generator, naming: float = NAMING_PROBABILITY, definite: bool = False) -> str:
    """Describe an event by its noun, such as "a deep bell that rings twice" or, if definite, "the deep bell"."""
    phrase = _pick(rng, EVENTS[event.name].phrases)
    named = _named(event, rng, naming)
    noun = _with_article(phrase, [name for name in named if name not in COUNTS], rng, definite)
    counts = _worded([name for name in named if name in COUNTS], AFTER_VERB, rng)
    return " ".join([noun, "that", phrase.verb, *counts] if counts else [noun])


def _templates(scene: Scene) -> Sequence[str]:
    together = len(scene.groups[0]) == 2
    by_size = {1: ALONE, 2: WHILE if together else THEN, 3: WHILE_THEN if together else THEN_THEN}
    return by_size[len(scene.events)]


def _told_in_order(scene: Scene) -> list[Event]:
    """Return the events group by group; within a group, which is symmetric, in the vocabulary's order."""
    order = list(EVENTS)
    return [event for group in scene.groups for event in sorted(group, key=lambda event: order.index(event.name))]


def _fill(template: str, events: Sequence[Event], rng: Generator, naming: float) -> str:
    """Replace the letters of a template by descriptions of the events; "the sound of a" keeps its words."""
    words = []
    for word in template.split():
        letter, comma = word.rstrip(","), "," if word.endswith(",") else ""
        place = "ABC".find(letter.upper()) if len(letter) == 1 else -1
        if place >= 0:
            letter = (clause if letter.isupper() else noun_phrase)(events[place], rng, naming)
        words.append(letter + comma)
    return " ".join(words)


def _named(event: Event, rng: Generator, naming: float) -> list[str]:
    return [name for name in sorted(event.attributes) if rng.random() < naming]


def _split(named: Collection[str], rng: Generator) -> tuple[list[str], list[str]]:
    """Choose which attributes stand before the noun and which follow the verb."""
    before = [name for name in named if name in BEFORE_NOUN and (name not in AFTER_VERB or rng.random() < 0.6)]
    return before, [name for name in named if name not in before]


def _with_article(phrase: Phrase, before: Sequence[str], rng: Generator, definite: bool = False) -> str:
    words = " ".join([*_worded(before, BEFORE_NOUN, rng), phrase.noun])
    if definite:
        return f"the {words}"
    if not phrase.article:
        return words
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _worded(names: Sequence[str], wording: dict[str, tuple[str, ...]], rng: Generator) -> list[str]:
    return [_pick(rng, wording[name]) for name in names]


def _pick(rng: Generator, choices: Sequence[Choice]) -> Choice:
    return choices[int(rng.random() * len(choices))]
