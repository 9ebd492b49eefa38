"""The report's page: what is shown of the results, and how."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader
from torch import Tensor

from uat_lightning.app.editing_scores import OPERATIONS, target_reached
from uat_lightning.app.labels import label
from uat_lightning.app.media import sound
from uat_lightning.app.scores import Results
from uat_lightning.app.unseen import UnseenEdit
from uat_lightning.data.soundscapes import parse

Mark = tuple[str, float | None]  # what it is, and the score
GENERATED, CAPTIONED, EDITED = 8, 10, 2  # examples: clips, clips, edits of each operation


@dataclass(frozen=True)
class Tag:
    """An event beside an example: its name, and whether it is "right", "wrong" (not there) or "missing"."""

    name: str
    state: str


def render(results: Results, record: dict[str, Any], sample_rate: int) -> str:
    """Return the page.

    Args:
        results: What the model made, and its scores.
        record: What goes into ``scores.json``: the protocol and the plain scores.
        sample_rate: Samples per second of all waveforms, in Hz.
    """
    environment = Environment(loader=PackageLoader("uat_lightning", "app"), autoescape=True, trim_blocks=True)
    environment.filters |= {"number": _number, "percent": _percent, "label": label, "pretty": _pretty}
    return environment.get_template("report.html.jinja").render(
        record=record,
        scores=record["scores"],
        cards=list(_cards(record["scores"])),
        generated=_generated(results, sample_rate),
        captioned=_captioned(results, sample_rate),
        edited=_edited(results, sample_rate),
        operations=OPERATIONS,
    )


def tags(found: Iterable[str], true: Iterable[str]) -> list[Tag]:
    """Compare events: the right ones first, then the wrong, then the missing."""
    found, true = set(found), set(true)
    states = {"right": found & true, "wrong": found - true, "missing": true - found}
    return [Tag(name, state) for state, names in states.items() for name in sorted(names)]


def _generated(results: Results, rate: int) -> list[dict[str, Any]]:
    return [
        {
            "prompt": results.clips[row].prompt,
            "held_out": results.clips[row].clip.scene.held_out,
            "made": sound(results.generated[row], rate),
            "true": sound(results.clips[row].waveform, rate),
            "tags": tags(results.heard[row], results.clips[row].events),
        }
        for row in _first([unseen.index for unseen in results.clips], GENERATED)
    ]


def _captioned(results: Results, rate: int) -> list[dict[str, Any]]:
    """Show the clips that come after those of the generated examples, where there are enough."""
    rows = _first([unseen.index for unseen in results.clips], GENERATED + CAPTIONED)[-CAPTIONED:]
    return [
        {
            "sound": sound(results.clips[row].waveform, rate),
            "caption": results.captions[row],
            "true": results.clips[row].clip.captions[0],
            "held_out": results.clips[row].clip.scene.held_out,
            "tags": tags([m.name for m in parse(results.captions[row]).mentions], results.clips[row].events),
        }
        for row in rows
    ]


def _edited(results: Results, rate: int) -> list[dict[str, Any]]:
    rows = _first([unseen.index for unseen in results.edits], len(results.edits))
    by_kind = [[row for row in rows if results.edits[row].edit.operation == kind][:EDITED] for kind in OPERATIONS]
    return [_edit(results, row, rate) for some in by_kind for row in some]


def _edit(results: Results, row: int, rate: int) -> dict[str, Any]:
    unseen: UnseenEdit = results.edits[row]
    waveforms: Sequence[Tensor] = (unseen.source, results.edited[row], unseen.target)
    before, after, target = (sound(waveform, rate) for waveform in waveforms)
    return {
        "operation": unseen.edit.operation,
        "instruction": unseen.edit.instruction,
        "source_caption": unseen.edit.source.captions[0],
        "target_caption": unseen.prompt,
        "before": before,
        "after": after,
        "target": target,
        "reached": target_reached(unseen, results.heard_edited[row]),
        "tags": tags(results.heard_edited[row], unseen.after),
    }


def _first(indices: Sequence[int], count: int) -> list[int]:
    """Return the rows of the smallest indices: the examples are the first of the split, not chosen ones."""
    return sorted(range(len(indices)), key=lambda row: indices[row])[:count]


def _cards(scores: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Yield the figures that matter most, each beside what comes without skill and the best that can be expected."""
    captioning, generation, editing = (scores[task] for task in ("captioning", "generation", "editing"))
    chance = ("another clip's events", captioning["another_clips_events"]["event_f1"])
    codec = ("codec alone", generation["codec"]["all"]["event_f1"])
    yield _card("Captions name the right events", "event F1", captioning["all"]["event_f1"], chance)
    yield _card("Captions tell the order", "clips with all relations right", captioning["all"]["relations_right"])
    for name, words in (("guided", "with guidance"), ("without_guidance", "without guidance")):
        value = generation[name]["all"]["event_f1"]
        yield _card("Sounds hold what was asked for", f"event F1, {words}", value, chance, codec)
    trained = "source_conditioned" if "source_conditioned" in editing else "edited"
    value, idle, best = (
        editing[name]["all"]["target_present"] for name in (trained, "unedited_sources", "true_targets")
    )
    yield _card("Edits reach their target", "share of edits", value, ("no edit", idle), ("true target", best))


def _card(
    title: str, unit: str, value: float | None, floor: Mark | None = None, ceiling: Mark | None = None
) -> dict[str, Any]:
    marks = [mark for mark in (floor, ceiling) if mark and mark[1] is not None]
    return {"title": title, "unit": unit, "value": value, "marks": marks, "faint": floor}


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> float:
    return 0.0 if value is None else round(100 * min(1.0, max(0.0, value)), 1)


def _pretty(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2)
