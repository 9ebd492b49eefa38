"""`uat compare`: how evaluations differ, where their protocols agree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uat_lightning.app.evaluation.comparison import (
    Difference,
    Drawing,
    check_comparable,
    differences,
    disagreements,
    one_sided,
)
from uat_lightning.app.evaluation.record import Evaluation


def compare(
    *reports: str, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0, out: str | None = None
) -> None:
    """Tell how evaluations differ from the first one: uat compare base better best.

    Evaluations that were not scored alike are refused, with the places where they disagree. Differences have an
    interval and a p-value: clips are drawn with replacement, the same for both sides. Scores of all clips together, as
    BLEU, the Frechet distance, the Inception Score and events' F1, are taken to first order around the clips at hand.
    Of CIDEr-D the words' weights stay those of all references, and of the Frechet distance the true clips. METEOR,
    vocabulary, distinct-n and the distance at infinity have no interval, nor has a Frechet distance of fewer than two
    embeddings for each channel. Other clips are what it tells of, not other seeds.

    Args:
        *reports: Folders that `uat evaluate` wrote, or their scores.json; at least two.
        confidence: Share of resampled differences within an interval.
        resamples: Times that clips are drawn.
        seed: Seed of the draws.
        out: File to write the differences to as well, .json.

    Raises:
        ValueError: If a report cannot be read, or does not compare with the first.
    """
    from uat_lightning.app.output import check_numbers, check_place, save_text

    check_numbers(seed, resamples=resamples)
    if len(reports) < 2:
        raise ValueError("name two reports or more of `uat evaluate`, the one to compare with first")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    if out is not None:
        check_place(Path(out), ".json")
    first, *others = map(Evaluation.read, reports)
    for place, other in zip(reports[1:], others, strict=True):
        check_comparable(first, other, (reports[0], place))
    drawing = Drawing(confidence, resamples, seed)
    found = [(other, differences(first, other, drawing)) for other in others]
    print("\n\n".join("\n".join(_told(first, other, rows, drawing)) for other, rows in found))
    if out is not None:
        save_text(Path(out), json.dumps(_record(first, found, drawing), indent=2) + "\n")


def _told(first: Evaluation, second: Evaluation, rows: Sequence[Difference], drawing: Drawing) -> list[str]:
    share = f"{100 * drawing.confidence:g} %"
    heads = ["score", first.name[:20], second.name[:20], "difference", f"{share} interval", "p"]
    table = [heads, *([*_cells(row)] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    lines = ["  ".join(_placed(row, widths)).rstrip() for row in table]
    without: dict[str, list[str]] = {}
    for row in rows:
        if row.interval is None:
            without.setdefault(row.reason, []).append(row.score)
    lines += [f"no interval for {', '.join(names)}: {reason}" for reason, names in without.items()]
    versions = disagreements(first.protocol.versions, second.protocol.versions, "versions")
    return [*lines, *one_sided(first, second), *(f"note: {line}" for line in versions)]


def _cells(row: Difference) -> list[str]:
    values = [row.score, f"{row.first:.4f}", f"{row.second:.4f}", f"{row.second - row.first:+.4f}"]
    if row.interval is None:
        return [*values, "-", "-"]
    return [*values, f"{row.interval.low:+.4f} to {row.interval.high:+.4f}", f"{row.interval.p_value:.4f}"]


def _placed(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]


def _record(
    first: Evaluation, found: Sequence[tuple[Evaluation, Sequence[Difference]]], drawing: Drawing
) -> dict[str, Any]:
    return {
        "drawing": asdict(drawing),
        "first": first.protocol.system,
        "others": [
            {"system": other.protocol.system, "differences": [asdict(row) for row in rows]} for other, rows in found
        ],
    }
