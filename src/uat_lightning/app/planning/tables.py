"""The plan of a training, as it is printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GIBIBYTE = 2**30


def printed(told: Mapping[str, Any]) -> str:
    """Return the plan's numbers as tables."""
    tables = [_parameters(told["parameters"]), _step(told["step"]), _memory(told["memory"])]
    return "\n\n".join([*tables, _time(told["time"], told["assumptions"])])


def _parameters(parts: Mapping[str, Mapping[str, int]]) -> str:
    rows = [[name, *(f"{part[kind] / 1e6:,.2f}" for kind in ("trainable", "frozen"))] for name, part in parts.items()]
    return _table(["millions of weights", "trainable", "frozen"], rows)


def _step(directions: Mapping[str, Mapping[str, int]]) -> str:
    rows = []
    for name, cost in directions.items():
        both = (cost["forward"], cost["backward"], cost["forward"] + cost["backward"])
        rows.append([name, str(cost["rows"]), *(f"{flops / 1e12:,.2f}" for flops in both)])
    return _table(["10^12 operations per step", "rows", "forward", "backward", "both"], rows)


def _memory(ways: Mapping[str, Mapping[str, int]]) -> str:
    kinds = list(next(iter(ways.values())))
    rows = [[kind, *(f"{way[kind] / GIBIBYTE:,.2f}" for way in ways.values())] for kind in kinds]
    return _table(["GiB per device", *ways], rows)


def _time(ways: Mapping[str, Mapping[str, float]], assumed: Mapping[str, Any]) -> str:
    steps = next(iter(ways.values()))["steps"]
    rows = [
        ["seconds per step", *(f"{way['seconds_per_step']:,.3f}" for way in ways.values())],
        ["samples per second", *(f"{way['samples_per_second']:,.1f}" for way in ways.values())],
        [
            f"hours to {steps:,.0f} steps",
            *(f"{way['hours']:,.1f}" for way in ways.values()),
        ],
        ["device hours", *(f"{way['device_hours']:,.0f}" for way in ways.values())],
    ]
    devices = f"{assumed['devices']} x {assumed['device']}"
    used = f"assumed: {assumed['utilisation']:.0%} of {assumed['peak_teraflops']:g} TFLOP/s each"
    table = _table([devices, *ways], rows)
    return f"{table}\n\nTime is arithmetic over speed, {used}. Memory leaves out what allocator and network need."


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = []
    for first, *others in (head, *rows):
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]))
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
