"""What the model can do so far, to hear and to read, while it trains."""

from __future__ import annotations

import json
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from uat_lightning.backbone.sharding import gathered
from uat_lightning.callbacks.after_validation import AfterValidation
from uat_lightning.callbacks.export import trained_pipeline
from uat_lightning.callbacks.shown import Sample, ShownTask
from uat_lightning.callbacks.spectrogram import picture
from uat_lightning.data.audio import write_audio


class SampleTasks(AfterValidation):
    """Does a few tasks in validation, with the weights that validation uses (the average, where there is an ``EMA``).

    Sounds and captions go to ``samples/step-N`` in the log folder; sounds, spectrograms and captions to TensorBoard.
    Processes share the samples out among them. A sample is the same whichever process makes it; TensorBoard shows
    those of the first process.

    Args:
        tasks: What to do, by the name it has in the log.
        every_n_validations: Validations from one time to the next.
        seed: Seed of the first sample of every task; sample i has ``seed + i``, the same every time.
    """

    def __init__(self, tasks: dict[str, ShownTask], every_n_validations: int = 1, seed: int = 0) -> None:
        super().__init__(every_n_validations)
        self.tasks, self.seed = tasks, seed

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Complain of a prompt now, not after the first epoch."""
        for task in self.tasks.values():
            task.check(trained_pipeline(trainer, pl_module).parts)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do the tasks and write down what came out."""
        if self.due(trainer):
            self._show(trainer, pl_module)

    def _show(self, trainer: Trainer, pl_module: LightningModule) -> None:
        parts = trained_pipeline(trainer, pl_module).to(pl_module.device).parts
        clips = trainer.datamodule.source("validation")  # type: ignore[attr-defined]
        folder = None if trainer.fast_dev_run else _folder(trainer)  # type: ignore[attr-defined]
        made: dict[str, Sample] = {}
        for name, task in self.tasks.items():
            rows = share(task.count, trainer.global_rank, trainer.world_size)
            with gathered(parts.backbone):  # processes take other steps, and some none
                samples = task.show(parts, clips, rows, self.seed) if rows else []
            made |= {f"{name}-{rows.start + place}": sample for place, sample in enumerate(samples)}
        if folder is not None:
            write_samples(folder, made, parts.codec.sample_rate, trainer.global_rank)
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoardLogger):
                    log_samples(logger, made, parts.codec.sample_rate, trainer.global_step)


def share(count: int, rank: int, world_size: int) -> range:
    """Return the rows that a process works on: neighbouring ones, so that they make one batch."""
    return range(count * rank // world_size, count * (rank + 1) // world_size)


def write_samples(folder: Path, samples: dict[str, Sample], sample_rate: int, rank: int = 0) -> None:
    """Write sounds, and a line for each in ``samples.jsonl`` (``samples-RANK.jsonl`` of the other processes).

    Args:
        folder: Where to.
        samples: What to write, by file name without the extension.
        sample_rate: Samples per second, in Hz.
        rank: This process among all.
    """
    lines = []
    for name, sample in samples.items():
        for end, audio in ((".wav", sample.audio), ("-source.wav", sample.source)):
            if audio is not None:
                write_audio(folder / f"{name}{end}", audio, sample_rate)
        lines.append(json.dumps({"audio": f"{name}.wav", "text": sample.text, "truth": sample.truth}) + "\n")
    if lines:
        (folder / f"samples{f'-{rank}' if rank else ''}.jsonl").write_text("".join(lines), encoding="utf-8")


def log_samples(logger: TensorBoardLogger, samples: dict[str, Sample], sample_rate: int, step: int) -> None:
    """Show sounds, spectrograms and captions in TensorBoard; sounds are mixed to mono, which is all it plays."""
    board = logger.experiment
    for name, sample in samples.items():
        for kind, audio in (("", sample.audio), ("-source", sample.source)):
            if audio is not None:
                board.add_audio(f"samples/{name}{kind}", _within(audio), step, sample_rate)
                board.add_image(f"samples/{name}{kind}", picture(audio, sample_rate), step)
        truth = f"\n\n*truth:* {sample.truth}" if sample.truth else ""
        board.add_text(f"samples/{name}", sample.text + truth, step)


def _within(audio: Tensor) -> Tensor:
    """Mix to mono, (1, samples), and turn down what exceeds full scale."""
    mono = audio.mean(0, keepdim=True)
    return mono / mono.abs().max().clamp(min=1.0)


def _folder(trainer: Trainer) -> Path:
    """Return the folder of this step's samples; every process must ask, as the first tells the others."""
    return Path(trainer.log_dir or ".") / "samples" / f"step-{trainer.global_step:06d}"
