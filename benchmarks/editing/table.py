"""The benchmark's tables, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from editing.comparison import Trial
from editing.trial import Row, mean
from uat_lightning.app.editing_scores import OPERATIONS

HEAD = """# Editing methods on Soundscapes triplets

`{command}`: {edits} edits of the {split} split from number {first} on ({each} of each operation), {steps} Euler
steps, seed 0, model `{model}`, of methods that need one trained on edits `{trained}`, {machine}.
{finished} of {wanted} trials. Settings: `editing.json`. The curves: `editing.png`.

*Asked for*: the tagger hears the new event and, for a deletion, no longer the old one. *Kept*: it hears what source
and target have in common. *To target*: log-spectral distance to the true result; *latents*: root mean square to its
latents; *way*: how much of the source's own distance to it is left (latents; above 1 is farther than doing nothing).
*To source*: log-spectral distance to the source. *SI-SDR*: against the true result. *Plain* methods are decoded from
latents; the others keep the source's own sound where nothing changed (`ChangedBins`). Methods *by instruction* get the
source and the instruction alone, the others the true caption of the target. *Seconds* are of an edit in the
trial's own run: those that are kept from earlier runs, or that ran beside other work, do not compare by them.

"""
EQUAL = """
## At equal adherence

Every trial beside plain SDEdit where that does what was asked for as often (on a straight line between its strengths),
with 95 % bootstrap intervals over edits of the paired difference. Negative is nearer to the true result.

"""
WRITTEN = """
## Who says what the source is

The same method with the source's true caption and with the one that the model writes itself.

"""
BEST = """
## Recommended for each operation

The nearest to the true result (dB) of the trials so far that do what was asked for as often as plain SDEdit at 0.8,
less .02.

"""
REAL = """
## Real clips

The first 4 s of {clips} recordings (`--real`), edited towards *{target}*: over the whole, and within {begin:g} to
{end:g} s (where a method finds its region, there). Adherence is not measured: nobody knows the true results, and the
tagger knows none of these sounds. *Louder*: level of the result against the source.

"""
SCORES = ("asked_for", "to_target_db", "latents")
COLUMNS = {
    HEAD: "method, strength, asked for, add, delete, replace, kept, to target (dB), latents, way, to source (dB), "
    "SI-SDR (dB), evaluations, seconds",
    EQUAL: "method, strength, asked for, dB of SDEdit, dB, difference, latents of SDEdit, latents, difference",
    WRITTEN: "score, true, written, difference",
    BEST: "operation, method, strength, asked for, to target (dB), latents, plain SDEdit at 0.8",
    REAL: "method, strength, whole: to source (dB), louder (dB), region: inside (dB), louder (dB), outside (dB), "
    "samples kept outside",
}


def head(text: str, **about: object) -> str:
    """Return what stands above a table, and its columns' names."""
    names = COLUMNS[text].split(", ")
    return text.format(**about) + line(*names) + line(*["---"] * len(names))


def line(*cells: object) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(map(str, cells))} |\n"


def trial_line(name: str, strength: str, rows: Sequence[Row], source: Sequence[Row], cost: tuple[str, str]) -> str:
    """Return the scores of a trial."""
    kinds = [f"{mean(rows, 'asked_for', kind):.3f}" for kind in OPERATIONS]
    scores = [f"{mean(rows, 'asked_for'):.3f}", *kinds, f"{mean(rows, 'kept'):.3f}"]
    way = mean(rows, "latents") / max(mean(source, "latents"), 1e-12)
    scores += [f"{mean(rows, 'to_target_db'):.2f}", f"{mean(rows, 'latents'):.3f}", f"{way:.2f}"]
    return line(name, strength, *scores, f"{mean(rows, 'to_source_db'):.2f}", f"{mean(rows, 'si_sdr_db'):.1f}", *cost)


def equal_lines(compared: Iterable[dict[str, Any]]) -> str:
    """Return the comparisons at equal adherence."""
    lines = []
    for one in compared:
        beyond = "" if one["reached"] else " (SDEdit does not get there)"
        parts = [part for score in ("to_target_db", "latents") for part in _apart(one[score])]
        lines.append(line(one["name"], f"{one['strength']:g}", f"{one['asked_for']:.3f}{beyond}", *parts))
    return "".join(lines)


def _apart(relative: dict[str, float]) -> list[str]:
    share, low, high = (f"{100 * relative[name]:+.1f}" for name in ("share", "low_share", "high_share"))
    return [f"{relative['theirs']:.3f}", f"{relative['ours']:.3f}", f"{share} % ({low} to {high})"]


def written_lines(compared: dict[str, dict[str, float]]) -> str:
    """Return the comparison of true and written captions of the source."""
    return "".join(line(score, *_apart(relative)) for score, relative in compared.items())


def best_lines(best: dict[str, Trial], baseline: Trial) -> str:
    """Return what is recommended for each operation."""
    lines = []
    for kind, trial in best.items():
        mine, theirs = ([mean(t.rows, score, kind) for score in SCORES] for t in (trial, baseline))
        told = [f"{asked:.3f}, {decibels:.2f}, {latents:.3f}" for asked, decibels, latents in (mine, theirs)]
        lines.append(line(kind, trial.name, f"{trial.strength:g}", *told[0].split(", "), told[1]))
    return "".join(lines)


def real_lines(results: Iterable[tuple[str, float, dict[str, float]]]) -> str:
    """Return what was seen on real clips."""
    names = ("everywhere_db", "everywhere_level_db", "inside_db", "inside_level_db", "outside_db", "samples_kept")
    return "".join(
        line(name, f"{strength:g}", *(f"{means[score]:.2f}" for score in names)) for name, strength, means in results
    )
