"""Captions of real sounds: train on folds 1 to 4 of ESC-50, caption fold 5, count how often the category is named.

Run ``python benchmarks/esc50.py --esc50 DIR`` where DIR holds ``esc50.csv`` and the clips in ``audio/``.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import shlex
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from uat_lightning.callbacks.ema import averaged_weights
from uat_lightning.callbacks.export import trained_pipeline
from uat_lightning.cli import main as uat
from uat_lightning.data.audio import read_audio
from uat_lightning.pipeline import UATPipeline
from uat_lightning.tasks import Caption, ChosenCaption

TEMPLATES = ("{}", "the sound of {}", "{} can be heard")
HELD_OUT = "5"
TOGETHER = 50  # clips captioned in one batch
PACKAGES = ("torch", "lightning", "numpy", "soundfile", "soxr", "tokenizers")


@dataclass(frozen=True)
class Clip:
    """A clip of ESC-50: its file, its fold and the words of its category."""

    file: Path
    fold: str
    words: str


class Snapshots(Callback):
    """Saves the model every so often while it trains.

    Args:
        folder: Holds a model folder per snapshot, named after the minutes of training and the step.
        minutes: Minutes of training between snapshots.
    """

    def __init__(self, folder: str, minutes: float) -> None:
        self.folder, self.minutes, self.began = Path(folder), minutes, 0.0
        self.steps: list[int] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:  # noqa: ANN401
        """Save a model where it is time."""
        if self._elapsed() >= (len(self.steps) + 1) * self.minutes:
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the last model."""
        if trainer.global_step not in self.steps:
            self._save(trainer, pl_module)

    def _elapsed(self) -> float:
        return (time.monotonic() - self.began) / 60

    def _save(self, trainer: Trainer, module: LightningModule) -> None:
        self.steps.append(trainer.global_step)
        with averaged_weights(trainer, module):
            name = f"{self._elapsed():06.2f}-{trainer.global_step:06d}"
            trained_pipeline(trainer, module).save_pretrained(self.folder / name)


def read_clips(folder: Path) -> list[Clip]:
    """Return the clips of ESC-50, whatever sound format their files have."""
    files = {file.stem: file for file in (folder / "audio").iterdir()}
    with (folder / "esc50.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [Clip(files[Path(row["filename"]).stem], row["fold"], row["category"].replace("_", " ")) for row in rows]


def write_manifest(file: Path, clips: Sequence[Clip]) -> None:
    """Write clips with their captions, one JSON object a line."""
    rows = [{"audio": str(clip.file), "captions": [text.format(clip.words) for text in TEMPLATES]} for clip in clips]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def trainer_config(work: Path, minutes: float, points: int) -> dict[str, Any]:
    """Return what takes the place of the shipped config's callbacks and logger: everything goes to ``work``."""
    callbacks: list[tuple[str, dict[str, Any]]] = [
        ("lightning.pytorch.callbacks.TQDMProgressBar", {"refresh_rate": 50}),
        ("uat_lightning.callbacks.RankSeed", {}),
        ("uat_lightning.callbacks.EMA", {"decay": 0.998}),
        (f"{Path(__file__).stem}.Snapshots", {"folder": str(work / "snapshots"), "minutes": minutes / points}),
        ("uat_lightning.callbacks.ExportPipeline", {"folder": str(work / "model")}),
    ]
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(work), "name": "log"}}
    listed = [{"class_path": path, "init_args": arguments} for path, arguments in callbacks]
    return {"trainer": {"callbacks": listed, "logger": logger, "enable_checkpointing": False}}


def fit_command(options: argparse.Namespace) -> list[str]:
    """Return the command line that trains."""
    seconds = round(options.minutes * 60)
    clock = f"00:{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
    work = options.work
    canvas, vocabulary = "16", "512"
    settings = {
        "trainer.max_time": clock,
        "trainer.max_steps": str(options.steps),
        "trainer.limit_val_batches": "0",  # the clock is for training; snapshots are scored afterwards
        "model.scheduler.init_args.steps": str(options.steps),
        "model.backbone.init_args.canvas": canvas,
        "model.backbone.init_args.vocabulary_size": vocabulary,
        "data.root": str(options.esc50.absolute() / "audio"),
        "data.manifest": str(work / "train.jsonl"),
        "data.validation_manifest": str(work / "held_out.jsonl"),
        "data.tokenizer.init_args.canvas": canvas,
        "data.tokenizer.init_args.vocabulary_size": vocabulary,
        "data.longest_seconds": "4.0",  # of 5: a new crop at each visit
    }
    configs = ["--config", "folder.yaml", "--config", str(work / "trainer.yaml")]
    return ["fit", *configs, *(f"--{name}={value}" for name, value in settings.items()), *options.more]


def caption(model: Path, clips: Sequence[Clip], task: Caption) -> list[str]:
    """Return a saved model's caption of each clip."""
    pipeline = UATPipeline.from_pretrained(model)
    rate, channels = pipeline.sample_rate, pipeline.parts.codec.channels
    captions: list[str] = []
    for start in range(0, len(clips), TOGETHER):
        some = clips[start : start + TOGETHER]
        waveforms = [torch.from_numpy(read_audio(clip.file, rate, channels)) for clip in some]
        captions += pipeline.caption(waveforms, task=task)
    return captions


def names(text: str, words: str) -> bool:
    """Return whether the words occur in a caption, whole and in order."""
    return f" {words} " in f" {text.lower()} "


def accuracy(captions: Sequence[str], clips: Sequence[Clip]) -> float:
    """Return the share of captions that name the category."""
    return sum(names(text, clip.words) for text, clip in zip(captions, clips, strict=True)) / len(clips)


def by_category(captions: Sequence[str], clips: Sequence[Clip]) -> dict[str, float]:
    """Return the accuracy of each category, best first."""
    found: dict[str, list[bool]] = defaultdict(list)
    for text, clip in zip(captions, clips, strict=True):
        found[clip.words].append(names(text, clip.words))
    shares = {words: sum(hits) / len(hits) for words, hits in found.items()}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def evaluate(work: Path, clips: Sequence[Clip]) -> dict[str, Any]:
    """Caption the held-out clips with the final model, and in one go each with it and with every snapshot."""
    captions, single = (caption(work / "model", clips, task) for task in (ChosenCaption(), Caption()))
    categories = by_category(captions, clips)
    curve = []
    for snapshot in sorted((work / "snapshots").iterdir()):
        minutes, step = snapshot.name.split("-")
        share = accuracy(caption(snapshot, clips, Caption()), clips)
        curve.append({"minutes": float(minutes), "step": int(step), "accuracy": share})
    return {
        "clips": len(clips),
        "accuracy": accuracy(captions, clips),
        "accuracy_of_single_candidates": accuracy(single, clips),
        "chance": 1 / len(categories),
        "name_no_category": sum(not any(names(text, words) for words in categories) for text in captions),
        "categories": categories,
        "curve": curve,
        "examples": [{"category": clip.words, "caption": text} for text, clip in zip(captions, clips, strict=True)][
            ::20
        ],
    }


def markdown(result: Mapping[str, Any]) -> str:
    """Return the page of a result."""
    curve = [f"| {point['minutes']:.1f} | {point['step']} | {point['accuracy']:.1%} |" for point in result["curve"]]
    categories = [f"| {words} | {share:.0%} |" for words, share in result["categories"].items()]
    return "\n".join(
        [
            "# ESC-50: captions of fold 5 after training on folds 1 to 4",
            "",
            f"{result['accuracy']:.1%} of {result['clips']} captions name the category (chance {result['chance']:.0%}; "
            f"{result['name_no_category']} captions name none), the best of sixteen each; "
            f"{result['accuracy_of_single_candidates']:.1%} where one is written, as for the curve. "
            f"{result['date']}, {result['machine']}, {result['cpu_minutes_of_fit']} CPU minutes.",
            "Held-out clips had no part in training, in fitting codec or tokenizer, or in choosing the model.\n",
            f"    {result['command']}",
            "",
            ", ".join(f"{package} {number}" for package, number in result["versions"].items()) + ".",
            "",
            "| minutes of training | step | accuracy |",
            "|---|---|---|",
            *curve,
            "",
            "| category | accuracy |",
            "|---|---|",
            *categories,
            "",
        ]
    )


def record(options: argparse.Namespace) -> dict[str, Any]:
    """Return when, where and how this was run."""
    settings = ["--minutes", f"{options.minutes:g}", "--steps", str(options.steps), "--points", str(options.points)]
    settings += ["--clips", str(options.clips)] if options.clips else []
    more = ["--", *options.more] if options.more else []
    return {
        "date": datetime.date.today().isoformat(),
        "command": shlex.join(["python", "benchmarks/esc50.py", "--esc50", "DIR", *settings, *more]),
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()}), {torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
    }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--esc50", type=Path, required=True, help="folder with esc50.csv and audio/")
    parser.add_argument("--minutes", type=float, default=20.0, help="minutes of training at most")
    parser.add_argument("--steps", type=int, default=10_000, help="steps at most, and the learning rate's schedule")
    parser.add_argument("--points", type=int, default=10, help="points of the curve")
    parser.add_argument("--clips", type=int, help="clips used, spread over all; for a trial")
    parser.add_argument("--work", type=Path, default=Path("runs/esc50"), help="folder of manifests and models")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("more", nargs="*", help="options of uat fit, after --")
    return parser.parse_args()


def main() -> None:
    """Train, evaluate and write the results."""
    options = arguments()
    options.work = options.work.absolute()
    options.work.mkdir(parents=True, exist_ok=False)
    clips = read_clips(options.esc50)
    clips = clips[:: max(1, len(clips) // (options.clips or len(clips)))]
    held_out = [clip for clip in clips if clip.fold == HELD_OUT]
    write_manifest(options.work / "train.jsonl", [clip for clip in clips if clip.fold != HELD_OUT])
    write_manifest(options.work / "held_out.jsonl", held_out)
    settings = trainer_config(options.work, options.minutes, options.points)
    (options.work / "trainer.yaml").write_text(yaml.safe_dump(settings))
    before = time.process_time()
    uat(fit_command(options))
    used = round((time.process_time() - before) / 60, 1)  # says how much of the machine this run had
    result = {**record(options), "cpu_minutes_of_fit": used, **evaluate(options.work, held_out)}
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "esc50.json").write_text(json.dumps(result, indent=2) + "\n")
    (options.results / "esc50.md").write_text(markdown(result))
    print(f"{result['accuracy']:.1%} of {result['clips']} captions name the category")


if __name__ == "__main__":
    main()
