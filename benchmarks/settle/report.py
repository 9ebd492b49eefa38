"""What the comparison leaves: the table, and a record of all that it depends on."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from statistics import fmean
from typing import Any

import numpy as np

from settle.compute import Step
from settle.grounds import Ground, TestClip
from settle.options import sampling_of
from settle.run import TRAINED, Run, read_made
from settle.scores import FRECHET, HEARD, Score, f1, scores_of
from settle.table import lines, markdown, plain_lines
from uat_lightning.app.hearing import Heard
from uat_lightning.app.model import OpenModel, open_model
from uat_lightning.app.output import save_text
from uat_lightning.app.scores import plain

PACKAGES = ("torch", "lightning", "numpy", "scipy", "pycocoevalcap", "tokenizers")


def compared(runs: Sequence[Run], ground: Ground, options: argparse.Namespace) -> str:
    """Write the results, and return the table."""
    model = open_model(str(runs[0].folder / "model"), "cpu")
    clips = ground.clips(model.parts)
    true = ground.listen([clip.waveform for clip in clips], model.pipeline.sample_rate)
    found: dict[str, dict[str, list[Score]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for name, score in scores_of(run.folder, ground, clips, true.vectors).items():
            found[name][run.model.name].append(score)
    table = lines(_in_order(found), len(clips), options.resamples)
    told: dict[str, Any] = {
        "protocol": protocol(runs, ground, options, clips),
        "listener": listener(ground, clips, true, model),
    }
    told |= {"table": plain_lines(table)}
    name = f"settle-{ground.name}"
    save_text(options.results / f"{name}.json", json.dumps(plain(told), indent=1) + "\n")
    save_text(options.results / f"{name}.md", page(told, markdown(table), ground))
    return markdown(table)


def _in_order(found: Mapping[str, Mapping[str, Sequence[Score]]]) -> dict[str, Mapping[str, Sequence[Score]]]:
    """Return scores of sounds, then those of captions."""
    sounds = [name for name in (FRECHET, HEARD) if name in found]
    return {name: found[name] for name in [*sounds, *(name for name in found if name not in sounds)]}


def listener(ground: Ground, clips: Sequence[TestClip], true: Heard, model: OpenModel) -> dict[str, Any]:
    """Return who listened, and how well true clips are heard."""
    heard = f1(true.events, [clip.events for clip in clips])(np.ones(len(clips), np.int64))
    return {"identity": ground.tagger(model.pipeline.sample_rate).identity, "event_f1_of_true_clips": heard}


def protocol(
    runs: Sequence[Run], ground: Ground, options: argparse.Namespace, clips: Sequence[TestClip]
) -> dict[str, Any]:
    """Return all that the table depends on."""
    steps = {run.model.name: run.step for run in runs}
    return {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "command": shlex.join(["python", "benchmarks/settle", *_settings(options.given)]),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores",
        "runs_at_a_time": options.jobs,
        "threads_each": options.threads,
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
        "tested_on": {**ground.about(), "clips": len(clips)},
        "sampling": vars(sampling_of(options)),
        "resamples": options.resamples,
        "steps": options.steps,
        "step": {name: _step(step) for name, step in steps.items()},
        "runs": {run.folder.name: _run(run) for run in runs},
    }


def _settings(given: Sequence[str]) -> list[str]:
    """Return the command line without folders, which are this machine's."""
    words, kept, folders = iter(given), [], ("--work", "--results", "--root")
    for word in words:
        if word in folders:
            next(words, None)
        elif not word.startswith(tuple(f"{name}=" for name in folders)):
            kept.append(word)
    return kept


def _step(step: Step) -> dict[str, Any]:
    return {"generation_rows": step.generation_rows, "captioning_rows": step.captioning_rows, "flops": step.flops}


def _run(run: Run) -> dict[str, Any]:
    trained, made = json.loads((run.folder / TRAINED).read_text()), read_made(run.folder)
    weights = sum(tensor.numel() for tensor in open_model(str(run.folder / "model"), "cpu").parts.backbone.parameters())
    return {
        "weights": weights,
        "weights_sha256": made["how"]["weights"],
        "seconds_of_training": trained["seconds"],
        "cpu_seconds_of_training": trained["cpu_seconds"],
        "threads": trained["threads"],
        "seconds_of_testing": made["seconds"],
        "settings": trained["settings"],
    }


def page(told: Mapping[str, Any], table: str, ground: Ground) -> str:
    """Return the page of the results."""
    about, runs = told["protocol"], told["protocol"]["runs"]
    steps = "\n".join(
        f"| {name} | {step['generation_rows']} | {step['captioning_rows']} | {step['flops'] / 1e9:.2f} | "
        f"{_mean_seconds(runs, name):.0f} |"
        for name, step in about["step"].items()
    )
    heard = told["listener"]["event_f1_of_true_clips"]
    return f"""# The joint model and its controls on {ground.name}

{table}
Intervals are of the difference to the joint model: over clips by a paired bootstrap of the means over seeds, over seeds
by Welch's t. An interval over clips tells of other clips and the same trainings, one over seeds of other trainings and
the same clips.

{about["steps"]} steps each, {about["tested_on"]["clips"]} test clips, {about["date"]}, {about["machine"]},
{about["runs_at_a_time"]} runs at a time with {about["threads_each"]} threads each; the listener hears the true clips'
events with F1 {heard:.3f}.

    {about["command"]}

| model | generation rows | captioning rows | GFLOP a step | seconds of training |
|---|---|---|---|---|
{steps}

{", ".join(f"{package} {number}" for package, number in about["versions"].items())}.
"""


def _mean_seconds(runs: Mapping[str, Any], name: str) -> float:
    seconds = [run["seconds_of_training"] for run in runs.values() if run["settings"]["model"]["name"] == name]
    return fmean(seconds)
