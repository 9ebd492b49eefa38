"""Scenes: which events a clip holds, when they sound and how they relate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from numpy.random import Generator

from .performance import LAST_RING
from .vocabulary import ATTRIBUTES, EVENTS, HELD_OUT_PAIRS

Relation = tuple[str, str, str]
NAMES = tuple(EVENTS)
SIZE_BOUNDS = (0.35, 0.85)  # cumulative shares of one-event and two-event scenes
EXTRA_ATTRIBUTE = 0.4  # probability of an attribute beside the count
GAPS = (0.08, 0.22)  # seconds of silence between groups
SOFT_LEVELS = frozenset({"quiet", "distant"})


@dataclass(frozen=True)
class Event:
    """One sound: class name, true attributes, onset and duration in seconds, and the seed of its synthesis."""

    name: str
    attributes: frozenset[str]
    onset: float
    duration: float
    seed: int

    @property
    def end(self) -> float:
        """The time in seconds at which the event has ended."""
        return self.onset + self.duration


@dataclass(frozen=True)
class Scene:
    """A clip's plan: its duration in seconds and its groups, each of one event or of two that sound together."""

    duration: float
    groups: tuple[tuple[Event, ...], ...]

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event, group by group."""
        return tuple(event for group in self.groups for event in group)

    @property
    def relations(self) -> tuple[Relation, ...]:
        """The relations between the events in normal form."""
        return relations([[event.name for event in group] for group in self.groups])

    @property
    def held_out(self) -> bool:
        """Whether a pair of classes meets here that never meets in training."""
        return has_held_out_pair(event.name for event in self.events)


def relations(groups: Sequence[Sequence[str]]) -> tuple[Relation, ...]:
    """Return the normal form: "while" within each group sorted by name, "then" between adjacent groups."""
    found: list[Relation] = []
    for place, group in enumerate(groups):
        found += [(first, "while", second) for first, second in combinations(sorted(group), 2)]
        following = groups[place + 1] if place + 1 < len(groups) else ()
        found += [(first, "then", second) for first in sorted(group) for second in sorted(following)]
    return tuple(found)


def has_held_out_pair(names: Iterable[str]) -> bool:
    """Whether two of the class names form a held-out pair."""
    return any(frozenset(pair) in HELD_OUT_PAIRS for pair in combinations(names, 2))


def draw_scene(rng: Generator, shortest: float, longest: float, may_hold_out: bool, sizes: tuple[int, int]) -> Scene:
    """Draw a scene of sizes[0] to sizes[1] events; held-out pairs enter half of the scenes that may hold them."""
    size = draw_size(rng, *sizes)
    names = draw_names(rng, size, may_hold_out and size > 1 and rng.random() < 0.5)
    together = size > 1 and rng.random() < 0.5
    named_groups = [names[:2], *([name] for name in names[2:])] if together else [[name] for name in names]
    duration = draw_duration(rng, (shortest + longest) / 2.0 if size == 3 else shortest, longest)
    return lay_out(rng, named_groups, duration, 1 if size == 3 else 2)


def draw_size(rng: Generator, smallest: int, largest: int) -> int:
    """Draw how many events a scene has, 1 to 3, within the bounds."""
    share = float(rng.random())
    size = 1 + sum(share > bound for bound in SIZE_BOUNDS)
    return min(max(size, smallest), largest)


def draw_duration(rng: Generator, shortest: float, longest: float) -> float:
    """Draw a duration in seconds between the bounds, a multiple of 0.1."""
    lowest, highest = round(shortest * 10.0), round(longest * 10.0)
    return int(rng.integers(lowest, max(lowest, highest) + 1)) / 10.0


def draw_names(rng: Generator, size: int, held_out: bool) -> list[str]:
    """Draw distinct class names until they do, or do not, contain a held-out pair."""
    while True:
        names = [NAMES[int(place)] for place in rng.integers(0, len(NAMES), size)]
        if held_out:
            names[1] = partner(rng, names[0])
            names = [names[int(place)] for place in rng.permutation(size)]
        if len(set(names)) == size and has_held_out_pair(names) == held_out:
            return names


def partner(rng: Generator, name: str) -> str:
    """Draw a class that is held out from meeting the named one."""
    others = [other for other in NAMES if frozenset((name, other)) in HELD_OUT_PAIRS and other != name]
    return others[int(rng.integers(len(others)))]


def lay_out(rng: Generator, named_groups: Sequence[Sequence[str]], duration: float, limit: int) -> Scene:
    """Give every event at most limit attributes, a duration and an onset, groups one after another."""
    gaps = [float(gap) for gap in rng.uniform(*GAPS, len(named_groups))]
    slot = (duration - sum(gaps)) / len(named_groups)
    planned = [_plan_group(rng, group, slot, limit) for group in named_groups]
    lengths = [max(event.duration for event in group) for group in planned]
    start = float(rng.uniform(0.0, duration - sum(lengths) - sum(gaps[1:])))
    groups = []
    for group, length, gap in zip(planned, lengths, [*gaps[1:], 0.0], strict=True):
        groups.append(tuple(_placed(rng, event, start, length) for event in group))
        start += length + gap
    return Scene(duration, tuple(groups))


def draw_event(rng: Generator, name: str, slot: float, limit: int, beside: Collection[str] = ()) -> Event:
    """Draw an event for a slot in seconds, at onset zero; beside are attributes of an event sounding with it."""
    attributes = draw_attributes(rng, name, limit, beside)
    event_class = EVENTS[name]
    length = min(slot, event_class.longest) * float(rng.uniform(0.85, 1.0))
    for number, count in enumerate(ATTRIBUTES["count"], start=1):
        if count in attributes:
            length = min(slot, LAST_RING + number * float(rng.uniform(0.32, 0.44)))
    return Event(name, attributes, 0.0, round(length, 3) - 0.001, int(rng.integers(2**62)))


def draw_attributes(rng: Generator, name: str, limit: int, beside: Collection[str] = ()) -> frozenset[str]:
    """Draw true attributes of different kinds, always the count of a counted class; no loud beside quiet."""
    kinds = EVENTS[name].kinds
    first, others = (kinds[:1], kinds[1:]) if EVENTS[name].counted else ((), kinds)
    extra = int(rng.random() < EXTRA_ATTRIBUTE and len(others) > 0 and limit > len(first))
    chosen = (*first, *(others[int(place)] for place in rng.permutation(len(others))[:extra]))
    attributes = frozenset(ATTRIBUTES[kind][int(rng.integers(len(ATTRIBUTES[kind])))] for kind in chosen)
    # A quiet sound under a loud one could be masked, and captions must only say what can be heard.
    masked = ("loud" in attributes and SOFT_LEVELS & set(beside)) or ("loud" in beside and SOFT_LEVELS & attributes)
    return attributes - {"loud", *SOFT_LEVELS} if masked else attributes


def _plan_group(rng: Generator, names: Sequence[str], slot: float, limit: int) -> list[Event]:
    events: list[Event] = []
    for name in names:
        heard = [attribute for event in events for attribute in event.attributes]
        events.append(draw_event(rng, name, slot, limit, heard))
    return events


def _placed(rng: Generator, event: Event, start: float, length: float) -> Event:
    """Move an event inside its group's time; a shorter event of a group lies within the longer one."""
    onset = start + float(rng.uniform(0.0, max(length - event.duration, 0.0)))
    return Event(event.name, event.attributes, int(onset * 1000.0) / 1000.0, event.duration, event.seed)
