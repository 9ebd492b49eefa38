"""Edits: pairs of scenes that differ in one event, and the instruction that leads from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from numpy.random import Generator

from .grammar import noun_phrase
from .scene import GAPS, NAMES, Event, Scene, draw_event, draw_scene, has_held_out_pair

OPERATIONS = ("add", "delete", "replace")
ADDING = ("add {event}", "insert {event}", "put in {event}", "mix in {event}")
DELETING = ("remove {event}", "delete {event}", "take out {event}", "get rid of {event}")
REPLACING = (
    "replace {old} with {new}",
    "swap {old} for {new}",
    "change {old} into {new}",
    "turn {old} into {new}",
)
LOCATING_PROBABILITY = 0.75  # with which an addition says where it goes


@dataclass(frozen=True)
class Change:
    """An edit before rendering: operation, source scene, instruction, target scene, and the events it is about."""

    operation: str
    source: Scene
    instruction: str
    target: Scene
    event: Event
    new: Event | None = None

    def rephrased(self, rng: Generator) -> str:
        """Say the instruction once more, in other words or the same."""
        if self.operation == "add":
            return adding(self.target, self.event, rng)
        return deleting(self.event, rng) if self.new is None else replacing(self.event, self.new, rng)


def draw_change(rng: Generator, shortest: float, longest: float, may_hold_out: bool) -> Change:
    """Draw one edit of a scene between shortest and longest seconds; untouched events stay as they are."""
    operation = OPERATIONS[int(rng.integers(len(OPERATIONS)))]
    smallest = 1 if operation == "replace" else 2
    scene = draw_scene(rng, shortest, longest, may_hold_out, (smallest, 3))
    event = scene.events[int(rng.integers(len(scene.events)))]
    if operation == "add":
        return Change("add", without(scene, event), adding(scene, event, rng), scene, event)
    if operation == "delete":
        return Change("delete", scene, deleting(event, rng), without(scene, event), event)
    new = substitute(rng, scene, event, may_hold_out)
    return Change("replace", scene, replacing(event, new, rng), exchanged(scene, event, new), event, new)


def without(scene: Scene, event: Event) -> Scene:
    """Return the scene without one of its events."""
    groups = (tuple(other for other in group if other != event) for group in scene.groups)
    return Scene(scene.duration, tuple(group for group in groups if group))


def exchanged(scene: Scene, event: Event, new: Event) -> Scene:
    """Return the scene with one event in another's place."""
    groups = (tuple(new if other == event else other for other in group) for group in scene.groups)
    return Scene(scene.duration, tuple(groups))


def substitute(rng: Generator, scene: Scene, event: Event, may_hold_out: bool) -> Event:
    """Draw an event of a class not in the scene that sounds where the given event did."""
    others = [other for other in scene.events if other != event]
    together = [other for group in scene.groups if event in group for other in group if other != event]
    name = another_name(rng, [other.name for other in scene.events], [other.name for other in others], may_hold_out)
    earliest, latest = room(scene, event)
    beside = [word for other in together for word in other.attributes]
    new = draw_event(rng, name, latest - earliest, 1 if len(others) == 2 else 2, beside)
    for other in together:  # overlap as much as the durations allow, so that "while" stays true
        starts = sorted((other.onset, other.end - new.duration))
        earliest, latest = max(earliest, starts[0]), min(latest, starts[1] + new.duration)
    onset = float(rng.uniform(earliest, max(latest - new.duration, earliest)))
    return replace(new, onset=round(onset, 4))


def another_name(rng: Generator, taken: list[str], others: list[str], may_hold_out: bool) -> str:
    """Draw a class name that is not taken and, unless allowed, forms no held-out pair with the others."""
    while True:
        name = NAMES[int(rng.integers(len(NAMES)))]
        if name not in taken and (may_hold_out or not has_held_out_pair([name, *others])):
            return name


def room(scene: Scene, event: Event) -> tuple[float, float]:
    """Return the seconds between which an event of this group may sound without meeting another group."""
    place = next(number for number, group in enumerate(scene.groups) if event in group)
    group, before, after = scene.groups[place], scene.groups[:place], scene.groups[place + 1 :]
    if len(group) > 1:
        return min(other.onset for other in group), max(other.end for other in group)
    earliest = max(other.end for other in before[-1]) + GAPS[0] if before else 0.0
    latest = min(other.onset for other in after[0]) - GAPS[0] if after else scene.duration
    return min(earliest, event.onset), max(latest, event.end)


def adding(scene: Scene, event: Event, rng: Generator) -> str:
    """Ask for an event of the target scene, mostly saying where it goes among the others."""
    text = _pick(rng, ADDING).format(event=noun_phrase(event, rng))
    if rng.random() >= LOCATING_PROBABILITY:
        return text
    place = next(number for number, group in enumerate(scene.groups) if event in group)
    beside = [other for other in scene.groups[place] if other != event]
    if beside:
        return f"{text} {_pick(rng, ('over', 'during'))} {_the(beside[0], rng)}"
    if place > 0:
        return f"{text} after {_the(scene.groups[place - 1][0], rng)}"
    return f"{text} before {_the(scene.groups[place + 1][0], rng)}"


def deleting(event: Event, rng: Generator) -> str:
    """Ask for an event of the source scene to go."""
    return _pick(rng, DELETING).format(event=_the(event, rng))


def replacing(event: Event, new: Event, rng: Generator) -> str:
    """Ask for one event to take another's place."""
    return _pick(rng, REPLACING).format(old=_the(event, rng), new=noun_phrase(new, rng))


def _the(event: Event, rng: Generator) -> str:
    """Point at an event; its class alone identifies it because no class occurs twice."""
    return noun_phrase(event, rng, naming=0.2, definite=True)


def _pick(rng: Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]
