"""How well a model edits unseen clips into what a caption says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import nan
from statistics import fmean

from torch import Tensor

from uat_lightning.app.captioning_scores import Scores
from uat_lightning.app.generation_scores import distance
from uat_lightning.app.hearing import Events
from uat_lightning.app.unseen import UnseenEdit, batches
from uat_lightning.metrics.audio.preservation import signal_distortion
from uat_lightning.tasks import ChosenEdit, Edit, Edited, Parts, Source
from uat_lightning.text import Said

Asking = Callable[[Parts, Sequence[UnseenEdit], Edit, int, int], list[Source | None]]

OPERATIONS = ("add", "delete", "replace")
NAMES = (
    "target_present",
    "untouched_kept",
    "deleted_gone",
    "distance_to_target_db",
    "distance_to_source_db",
    "distortion_to_target_db",
)


def prompted(
    parts: Parts, edits: Sequence[UnseenEdit], task: Edit, seed: int = 0, first: int = 0
) -> list[Source | None]:
    """Return edits towards the true captions of the targets; arguments as of ``instructed``."""
    return [Source(unseen.source, unseen.prompt) for unseen in edits]


def edit_all(
    parts: Parts,
    edits: Sequence[UnseenEdit],
    task: Edit,
    seed: int,
    batch_size: int,
    label: str,
    asks: Asking = prompted,
    candidates: int = 1,
) -> list[Tensor]:
    """Edit sources as somebody asks for it; those of which one asks what cannot be done stay as they are.

    Edit i of the list draws from seed + i. Of several candidates the model keeps the one that it thinks best.
    """
    made: list[Tensor] = []
    several = task if candidates == 1 else ChosenEdit(task, candidates=candidates)
    for rows in batches([unseen.source for unseen in edits], batch_size, label):
        some = [edits[row] for row in rows]
        asked = asks(parts, some, task, seed, rows.start)
        made += [result.audio for result in edited(parts, some, asked, several, seed, rows.start)]
    return made


def edited(
    parts: Parts,
    edits: Sequence[UnseenEdit],
    asked: Sequence[Source | None],
    task: Edit | ChosenEdit,
    seed: int,
    first: int,
) -> list[Edited]:
    """Return the result of each edit; where nothing can be done (None) it is the source as it was."""
    # What cannot be done is tried towards the caption all the same: the noise of a row goes by its number.
    whole = [source or Source(unseen.source, unseen.prompt) for source, unseen in zip(asked, edits, strict=True)]
    results = task.edit(parts, whole, seed, first)
    told = zip(asked, edits, results, strict=True)
    return [replace(result, audio=unseen.source) if source is None else result for source, unseen, result in told]


def instructed(
    parts: Parts, edits: Sequence[UnseenEdit], task: Edit, seed: int = 0, first: int = 0
) -> list[Source | None]:
    """Return edits that are asked for by their instructions alone; None for those that cannot be made.

    Methods that read captions alone cannot where the instruction names nothing that the model heard.

    Args:
        parts: The trained model.
        edits: The edits.
        task: How they are made.
        seed: Seed of the captions; row i draws from ``seed + first + i``.
        first: Number of the first row.
    """
    if task.method.follows_instructions:
        return [Source(unseen.source, Said(unseen.instruction)) for unseen in edits]
    asked = [Source(unseen.source, Said(unseen.edit.instruction)) for unseen in edits]
    heard = task.heard(parts, asked, seed, first)
    return [None if texts is None else replace(source, text=texts) for source, texts in zip(asked, heard, strict=True)]


def editing_scores(
    edits: Sequence[UnseenEdit], results: Sequence[Tensor], heard: Sequence[Events], sample_rate: int
) -> dict[str, Scores]:
    """Return the scores of results over all edits and for each operation.

    Args:
        edits: The edits.
        results: What came out, (channels, samples) each.
        heard: The events heard in the results.
        sample_rate: Samples per second, in Hz.
    """
    rows = [_row(*edit, sample_rate) for edit in zip(edits, results, heard, strict=True)]
    kinds = [unseen.edit.operation for unseen in edits]
    by_kind = {
        kind: _mean([row for row, other in zip(rows, kinds, strict=True) if other == kind]) for kind in OPERATIONS
    }
    return {"all": _mean(rows), **by_kind}


def target_reached(unseen: UnseenEdit, heard: Events) -> bool:
    """Say whether what was asked for is heard: the new event is there or, for a deletion, the old one is gone."""
    if unseen.edit.operation == "delete":
        return not (unseen.before - unseen.after) & heard
    return unseen.after - unseen.before <= heard


def _row(unseen: UnseenEdit, result: Tensor, heard: Events, sample_rate: int) -> Scores:
    untouched, deleted = unseen.before & unseen.after, unseen.before - unseen.after
    return {
        "target_present": float(target_reached(unseen, heard)),
        "untouched_kept": len(untouched & heard) / len(untouched) if untouched else nan,
        "deleted_gone": float(not deleted & heard) if deleted else nan,
        "distance_to_target_db": distance(result, unseen.target, sample_rate),
        "distance_to_source_db": distance(result, unseen.source, sample_rate),
        "distortion_to_target_db": float(signal_distortion(result.mean(0), unseen.target.mean(0))),
    }


def _mean(rows: Sequence[Scores]) -> Scores:
    """Average each score over the rows that have it.

    An edit of a single event leaves nothing untouched, and an addition deletes nothing.
    """
    values = {name: [row[name] for row in rows if row[name] == row[name]] for name in NAMES}
    return {"edits": len(rows), **{name: fmean(some) if some else nan for name, some in values.items()}}
