"""The benchmark's command: its options, and trial after trial."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from editing import __doc__ as told
from editing.edits import drawn
from editing.entries import BASELINE, DEFAULT, ENTRIES, Entry, trials
from editing.kept import Kept
from editing.real import RealClips
from editing.report import Report
from editing.trial import Bench
from uat_lightning.app.hearing import Ears
from uat_lightning.app.model import OpenModel, open_model
from uat_lightning.app.tagger import TaggerRecipe, trained_tagger
from uat_lightning.data.soundscapes import Soundscapes

ON_REAL_CLIPS = (DEFAULT.name, BASELINE.name, "SDEdit", "EditFriendlyInversion", "FlowEdit, region found")


def main(arguments: Sequence[str] | None = None, recipe: TaggerRecipe | None = None) -> None:
    """Do the trials that are not done yet, and write the tables after each.

    Args:
        arguments: The command line; that of the process where None.
        recipe: How the tagger is trained.

    Raises:
        ValueError: If an option cannot be used.
    """
    options = parsed(arguments)
    torch.set_num_threads(options.threads)
    models = opened(options)
    entries = tuple(entry for entry in ENTRIES if asked(entry, options))
    model = models[BASELINE.name]
    soundscapes = Soundscapes(sample_rate=model.pipeline.sample_rate)
    recipe = recipe or TaggerRecipe()
    ears = Ears(trained_tagger(soundscapes, recipe)[0])
    bench = Bench(drawn(soundscapes, model.parts, options.split, options.first, options.each), ears, options.steps)
    numbers = [unseen.index for unseen in bench.edits]
    kept = Kept(options.work, {"edits": numbers, "split": options.split, "tagger": str(recipe)})
    wanted = trials(entries)
    report = Report(protocol(options, models, bench, wanted), references(model, bench), [], [])
    for entry, strength in tqdm(wanted, desc="Trials", unit="trial"):
        digest = models[entry.name].identity["weights_sha256"]
        make = partial(bench.tried, models[entry.name], entry, strength)
        task = [entry.several(entry.task(strength, options.steps)), entry.asks.__name__]
        report.results.append(kept.result(entry.name, strength, digest, task, make))
        report.save(options.out)
    if options.real is not None:
        listen(options, models, entries, report)
    print(report.text())


def listen(options: argparse.Namespace, models: dict[str, OpenModel], entries: Sequence[Entry], report: Report) -> None:
    """Do the trials on real clips."""
    clips = RealClips.of(options.real, models[BASELINE.name])
    kept = Kept(options.work, {"real": [str(sound.shape) + str(float(sound.sum())) for sound in clips.sources]})
    for entry in (entry for entry in entries if entry.name in ON_REAL_CLIPS):
        model = models[entry.name]
        make, task = partial(clips.tried, model, entry, entry.own, options.steps), entry.task(entry.own, options.steps)
        report.real.append(kept.result(entry.name, entry.own, model.identity["weights_sha256"], task, make))
        report.save(options.out)


def opened(options: argparse.Namespace) -> dict[str, OpenModel]:
    """Return the model of each entry."""
    common = open_model(options.model, options.device)
    trained = common if options.trained is None else open_model(options.trained, options.device)
    return {entry.name: trained if entry.trained else common for entry in ENTRIES}


def asked(entry: Entry, options: argparse.Namespace) -> bool:
    """Say whether a method takes part: plain SDEdit always does, others where they are named or nobody is."""
    if entry is BASELINE:
        return True
    if entry.trained and options.trained is None:
        print(f"{entry.name} is left out: name a model that was trained on edits with --trained", file=sys.stderr)
        return False
    return not options.only or entry.name in options.only


def references(model: OpenModel, bench: Bench) -> dict[str, list[dict[str, Any]]]:
    """Return the scores of doing nothing, and of the true results after the codec."""
    codec, device, sources = model.parts.codec, model.parts.device, [unseen.source for unseen in bench.edits]
    targets = [unseen.target for unseen in bench.edits]
    true = [codec.decode(codec.encode(t[None].to(device)))[0, :, : t.shape[1]].cpu() for t in targets]
    return {
        "the source itself": bench.scored(model, sources),
        "the true result, by the codec": bench.scored(model, true),
    }


def command(options: argparse.Namespace) -> str:
    """Return the command that makes the same trials, but for folders."""
    said = f"python benchmarks/editing --each {options.each} --steps {options.steps} --split {options.split}"
    only = [f'"{name}"' for name in options.only]
    trained = [] if options.trained is None else ["--trained FOLDER"]
    return " ".join([said, *(["--only", *only] if only else []), *trained])


def protocol(
    options: argparse.Namespace, models: dict[str, OpenModel], bench: Bench, wanted: Sequence[tuple[Entry, float]]
) -> dict[str, Any]:
    """Return what a reader must know to do it again."""
    digests = {entry.trained: models[entry.name].identity["weights_sha256"][:12] for entry in ENTRIES}
    return {
        "command": command(options),
        "model": digests[False],
        "trained": digests[True] if options.trained is not None else "none",
        "split": options.split,
        "first": options.first,
        "each": options.each,
        "edits": len(bench.edits),
        "steps": options.steps,
        "seed": 0,
        "wanted": len(wanted),
        "order": [entry.name for entry in ENTRIES],
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores{gpu(models[BASELINE.name].parts.device)}",
        "torch": torch.__version__,
    }


def gpu(device: torch.device) -> str:
    """Return the name of a GPU, to follow those of other parts; nothing for the CPU."""
    return f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python benchmarks/editing", description=told)
    parser.add_argument("--model", default="runs/quickstart/model", help="model folder")
    parser.add_argument("--trained", metavar="FOLDER", help="model folder of methods that need one trained on edits")
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    parser.add_argument(
        "--first", type=int, default=600, help="number of the first edit; settings were chosen on others"
    )
    parser.add_argument("--each", type=int, default=200, help="edits of each operation")
    parser.add_argument("--steps", type=int, default=25, help="steps from pure noise to clean")
    parser.add_argument("--only", nargs="*", default=[], choices=[entry.name for entry in ENTRIES], metavar="NAME")
    parser.add_argument("--real", type=Path, help="folder of real clips")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="where models edit: cpu, cuda, ... or auto")
    parser.add_argument("--work", type=Path, default=Path("runs/editing-benchmark"), help="where trials are kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args(arguments)
