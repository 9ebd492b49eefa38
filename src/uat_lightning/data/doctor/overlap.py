"""Clips that are there twice: under one name, from one file, or with the same sound under different names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

Place = tuple[str, str, str]  # source, split and uid of a clip


@dataclass
class Overlap:
    """Groups clips by whatever makes them the same.

    Args:
        groups: The places of each key.
    """

    groups: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))

    def add(self, key: str, place: Place) -> None:
        """Take in a clip."""
        self.groups[key].append(place)

    def across(self) -> list[list[Place]]:
        """Return the groups that lie in several splits, whatever their sources."""
        return [places for places in self.groups.values() if len({split for _, split, _ in places}) > 1]

    def between_sources(self) -> list[list[Place]]:
        """Return the groups that lie in one split of several sources."""
        return [
            places
            for places in self.groups.values()
            if len({split for _, split, _ in places}) == 1 and len({source for source, _, _ in places}) > 1
        ]

    def within(self) -> list[list[Place]]:
        """Return the groups of several clips in one split of one source."""
        return [places for places in self.groups.values() if len(places) > 1 and len({p[:2] for p in places}) == 1]


def named(groups: list[list[Place]]) -> list[list[Mapping[str, str]]]:
    """Return groups of clips as plain values."""
    keys = ("source", "split", "uid")
    return [[dict(zip(keys, place, strict=True)) for place in places] for places in groups]
