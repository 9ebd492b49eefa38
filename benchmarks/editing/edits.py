"""The edits of the benchmark: as many of each operation, from a part of a split that settings were not chosen on."""

from __future__ import annotations

from itertools import count

from uat_lightning.app.editing_scores import OPERATIONS
from uat_lightning.app.unseen import UnseenEdit, unseen_edits
from uat_lightning.data.soundscapes import Soundscapes
from uat_lightning.tasks import Parts

CHUNK = 60  # edits rendered at a time


def drawn(soundscapes: Soundscapes, parts: Parts, split: str, first: int, each: int) -> list[UnseenEdit]:
    """Return the first edits of each operation from an index on, the shortest first.

    Args:
        soundscapes: The collection.
        parts: The model whose canvas the captions must fit.
        split: Its split.
        first: Index of the first edit to look at.
        each: How many of each operation.
    """
    found: dict[str, list[UnseenEdit]] = {operation: [] for operation in OPERATIONS}
    for start in count(first, CHUNK):
        for unseen in sorted(_some(soundscapes, parts, split, start), key=lambda unseen: unseen.index):
            found[unseen.edit.operation].append(unseen)
        if min(map(len, found.values())) >= each:
            break
    chosen = [unseen for some in found.values() for unseen in some[:each]]
    return sorted(chosen, key=lambda unseen: (unseen.source.shape[1], unseen.index))


def _some(soundscapes: Soundscapes, parts: Parts, split: str, start: int) -> list[UnseenEdit]:
    return unseen_edits(soundscapes, parts, range(start, start + CHUNK), split)
