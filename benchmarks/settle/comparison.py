"""All runs of a comparison, some at a time, and then the table."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from settle.compute import Step, balanced, step_of
from settle.grounds import Ground
from settle.models import JOINT, MODELS, Model
from settle.options import ground_of, parsed, sampling_of
from settle.report import compared
from settle.run import Run, digest
from uat_lightning.app.output import save_text
from uat_lightning.app.shipped import with_configs
from uat_lightning.app.train import train

HERE = Path(__file__).resolve().parent
PREPARED, STEPS_FILE, LOG = "prepare", "steps.json", "log.txt"


def main(text: str | None = None, arguments: Sequence[str] | None = None) -> None:
    """Train, test and compare; or do one run, where its name is given.

    Args:
        text: What the help says.
        arguments: The command line; that of this process where None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parsed(given, text)
    torch.set_num_threads(options.threads)
    ground = ground_of(options)
    if options.run is None:
        ground.prepare()
    planned = runs(options, ground)
    if options.run is not None:
        do(options, ground, planned)
        return
    all_done(planned, given, options)
    print(compared(planned, ground, options), end="")


def do(options: argparse.Namespace, ground: Ground, planned: Sequence[Run]) -> None:
    """Do the run of a name, or prepare data and listener for all."""
    if options.run == PREPARED:
        trial = ["--trainer.fast_dev_run=true", "--trainer.limit_val_batches=0", "--trainer.logger=false"]
        arguments = ["fit", *arguments_of(JOINT, options, ground), "--trainer.callbacks=[]", *trial]
        ground.tagger(train(with_configs(arguments)).datamodule.codec.sample_rate)
        return
    (run,) = [one for one in planned if one.folder.name == options.run]
    run.train()
    run.test(sampling_of(options), options.device)


def runs(options: argparse.Namespace, ground: Ground) -> list[Run]:
    """Return all runs, seed by seed."""
    steps = steps_of(options, ground)
    chosen = [MODELS[name] for name in options.models]
    return [
        Run(model, seed, steps[model.name], options.steps, ground, options.work)
        for seed in options.seeds
        for model in chosen
    ]


def steps_of(options: argparse.Namespace, ground: Ground) -> dict[str, Step]:
    """Return the training step of every model; counted once, and kept in the folder of the runs."""
    file = options.work / STEPS_FILE
    chosen = [MODELS[name] for name in sorted({JOINT.name, *options.models})]
    configs = {name: digest(name) for name in (ground.base, *(model.control for model in chosen)) if name}
    asked = {"configs": configs, "options": ground.options(), "models": [model.name for model in chosen]}
    if file.is_file() and (known := json.loads(file.read_text()))["asked"] == asked:
        return {name: Step(**step) for name, step in known["steps"].items()}
    joint = step_of(arguments_of(JOINT, options, ground), ground.seconds)
    steps = {JOINT.name: joint}
    for model in tqdm([model for model in chosen if model != JOINT], desc="Counting", unit="model", leave=False):
        steps[model.name] = balanced(model, joint, step_of(arguments_of(model, options, ground), ground.seconds))
    told = {"asked": asked, "steps": {name: asdict(step) for name, step in steps.items()}}
    save_text(file, json.dumps(told, indent=1) + "\n")
    return steps


def arguments_of(model: Model, options: argparse.Namespace, ground: Ground) -> list[str]:
    """Return the command line of a model's training as far as its arithmetic depends on it."""
    configs = [name for name in (ground.base, model.control) if name]
    named = [word for name in configs for word in ("--config", name)]
    return [*named, f"--trainer.max_steps={options.steps}", *ground.options()]


def all_done(planned: Sequence[Run], given: Sequence[str], options: argparse.Namespace) -> None:
    """Do all runs, some at a time, each in a process of its own that writes to ``log.txt`` in the run's folder.

    Data are encoded and the listener trained before, as all runs want them. What is done is left alone.

    Raises:
        SystemExit: If one fails; the others are finished first.
        ValueError: If a folder holds a run of other settings.
    """
    open_runs = [run.folder for run in planned if not run.tested(sampling_of(options))]
    places = [options.work / PREPARED, *open_runs] if open_runs else []
    codes = [_process(place, given, options.threads) for place in places[:1]]
    if not any(codes):
        with ThreadPoolExecutor(options.jobs) as pool:
            codes += pool.map(lambda place: _process(place, given, options.threads), places[1:])
    failed = [str(place / LOG) for place, code in zip(places, codes, strict=False) if code]
    if failed:
        sys.exit(f"settle: {len(failed)} of {len(codes)} processes failed, see {', '.join(failed)}")


def _process(folder: Path, given: Sequence[str], threads: int) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{datetime.datetime.now():%H:%M:%S} {folder.name}", file=sys.stderr, flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, str(HERE), "--run", folder.name, *given]
    with (folder / LOG).open("a") as log:
        return subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment).returncode
