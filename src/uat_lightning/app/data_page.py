"""What `uat data check` shows of an examination: a table for the terminal, a page for the browser."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader
from rich.console import Console
from rich.table import Table

UNREADABLE = 50  # clips with their reasons on the page; all are in the .json
GROUPS = 20  # groups of equal sounds on the page
WIDTH, HEIGHT = 320, 96  # of a histogram, in units of its picture
COLUMNS = (
    "source",
    "split",
    "clips",
    "unreadable",
    "hours",
    "seconds",
    "rates",
    "channels",
    "silence",
    "captions",
    "words",
)


def table(record: dict[str, Any]) -> str:
    """Return an examination's record as text for the terminal."""
    grid = Table(*COLUMNS, box=None, pad_edge=False, header_style="")
    for column in grid.columns[2:]:
        column.justify = "right"
    for split in record["splits"]:
        grid.add_row(*_row(split))
    text = io.StringIO()
    # Wide enough for any row: whoever pipes this wants one line for each.
    Console(file=text, width=1000, highlight=False, markup=False, emoji=False).print(grid)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    pace = f"{record['clips']} clips read in {record['seconds_taken']:.1f} s ({record['clips_per_second']:g} clips/s)"
    return "\n".join([*lines, "", *_told(record["findings"]), pace])


def _row(split: dict[str, Any]) -> Sequence[str]:
    captions = split["captions"]
    return (
        split["source"],
        split["split"],
        str(split["clips"]),
        str(split["unreadable"]),
        f"{split['hours']:.2f}",
        _span(split["seconds"]),
        " ".join(split["sample_rates"]),
        " ".join(split["channels"]),
        f"{100 * split['silence_share']:.1f} %",
        str(captions["captions"]),
        _span(captions["words"]),
    )


def _span(spread: dict[str, float]) -> str:
    return f"{spread['min']:g}/{spread['median']:g}/{spread['max']:g}" if spread else "-"


def _told(findings: Sequence[dict[str, Any]]) -> list[str]:
    if not findings:
        return ["Nothing wrong was found."]
    lines = []
    for finding in findings:
        lines.append(
            f"{'HURTS' if finding['hurts'] else 'note '}  {finding['title']}: {finding['count']}. {finding['advice']}"
        )
        lines += [f"         {example}" for example in finding["examples"][:3]]
    return lines


def render(record: dict[str, Any]) -> str:
    """Return an examination's record as a page that needs no other file."""
    environment = Environment(loader=PackageLoader("uat_lightning", "app"), autoescape=True, trim_blocks=True)
    environment.filters |= {"figure": _figure, "thousands": _thousands}
    return environment.get_template("data_report.html.jinja").render(
        record=record,
        splits=record["splits"],
        cards=_cards(record),
        charts=[_chart(*chart) for chart in _charts(record["histograms"])],
        unreadable=record["unreadable"][:UNREADABLE],
        coverage=[lists for lists in record["coverage"] if lists["listed"] > lists["found"] or lists["malformed"]],
        groups=_groups(record["overlap"]),
        names=_names(record["splits"]),
        hurts=sum(finding["hurts"] for finding in record["findings"]),
    )


def _names(splits: Sequence[dict[str, Any]]) -> list[str]:
    """Return what to call each split: with its source only where there are several."""
    several = len({split["source"] for split in splits}) > 1
    return [f"{split['source']} · {split['split']}" if several else split["split"] for split in splits]


def _cards(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the figures that matter most: what, how much, and a remark."""
    splits = record["splits"]
    hours = sum(split["hours"] for split in splits)
    captions = sum(split["captions"]["captions"] for split in splits)
    words = sum(split["captions"]["words"].get("mean", 0) * split["captions"]["captions"] for split in splits)
    unreadable = len(record["unreadable"])
    return [
        ("clips", _thousands(record["clips"]), f"{len(splits)} split{'s' * (len(splits) != 1)}"),
        ("of sound", f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min", "as decoded"),
        ("captions", _thousands(captions), f"{words / max(1, captions):.1f} words on average"),
        ("unreadable", _thousands(unreadable), f"{100 * unreadable / max(1, record['clips']):.2g} % of the clips"),
        ("clips/s", _figure(record["clips_per_second"]), f"read in {record['seconds_taken']:.1f} s"),
    ]


def _charts(histograms: dict[str, Any]) -> list[tuple[str, str, dict[str, Any], float]]:
    return [
        ("Duration", "s", histograms["seconds"], 1.0),
        ("Source bandwidth", "kHz", histograms["bandwidth_hz"], 1000.0),
        ("Loudness (RMS)", "dBFS", histograms["rms_dbfs"], 1.0),
        ("Share of silence", "%", histograms["silence_share"], 0.01),
    ]


def _chart(title: str, unit: str, histogram: dict[str, Any], scale: float) -> dict[str, Any]:
    """Return a histogram as bars: their places and heights in units of the picture, and what each stands for."""
    counts, edges = histogram["counts"], [edge / scale for edge in histogram["edges"]]
    width, tallest = WIDTH / len(counts), max(*counts, 1)
    bars = [
        {
            "x": round(place * width + 1, 2),
            "width": round(max(1.0, min(width - 2, 48)), 2),
            "height": round(max(HEIGHT * count / tallest, 1.5 if count else 0), 2),
            "tip": f"{_figure(edges[place])} to {_figure(edges[place + 1])} {unit}: {_thousands(count)} clips",
        }
        for place, count in enumerate(counts)
    ]
    return {"title": title, "unit": unit, "bars": bars, "first": edges[0], "last": edges[-1], "most": tallest}


def _groups(overlap: dict[str, Any]) -> list[tuple[str, list[Any], int]]:
    titles = {
        "sounds_in_several_splits": "Equal sounds in several splits",
        "recordings_in_several_splits": "One recording in several splits, by its names",
        "files_in_several_splits": "One file in several splits",
        "sounds_in_several_sources": "Equal sounds in several sources",
        "sounds_several_times_in_a_split": "Equal sounds in one split",
    }
    return [(title, overlap[key][:GROUPS], len(overlap[key])) for key, title in titles.items() if overlap[key]]


def _figure(value: float | None) -> str:
    """Return a number with as many digits as tell something."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _thousands(value: int) -> str:
    return f"{value:,}".replace(",", " ")  # a thin space, as no language reads it for a decimal mark
