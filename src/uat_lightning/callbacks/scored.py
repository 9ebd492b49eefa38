"""What a model is scored on during training: tasks with the metrics of what comes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from uat_lightning.callbacks.export import trained_pipeline
from uat_lightning.callbacks.shown import first_usable
from uat_lightning.data.source import CaptionedAudio, Source
from uat_lightning.metrics.captioning import CaptionMetric, CaptionScorer, Words
from uat_lightning.tasks import Caption, Parts


class ScoredTask(ABC):
    """A task and its metrics; row i draws from ``seed + i``, whichever process does it.

    Subclasses may ask anything of the Trainer and the module, whose kind is their own affair.
    """

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of rows."""

    def check(self, trainer: Trainer, module: LightningModule) -> None:
        """See that the task can be done, before training begins; every module will do by default."""
        return

    @abstractmethod
    def begin(self, trainer: Trainer, module: LightningModule) -> None:
        """Forget all rows."""

    @abstractmethod
    def add(self, trainer: Trainer, module: LightningModule, rows: range, seed: int) -> None:
        """Do some rows, and add what came out to the metrics under the rows' numbers."""

    @abstractmethod
    def scores(self) -> Mapping[str, float | Tensor]:
        """Return the scores of the rows of all processes by name; to be called on all of them."""


class PipelineTask(ScoredTask):
    """Base of tasks on the first usable validation clips, or test clips in a test, for modules with a backbone.

    Args:
        clips: Number of clips.
        longest: Seconds kept of a clip.
        batch_size: Clips at once.
    """

    def __init__(self, clips: int = 64, longest: float = 10.0, batch_size: int = 16) -> None:
        if min(clips, batch_size) < 1:
            raise ValueError(f"clips and batch_size must be at least 1, got {clips} and {batch_size}")
        self.clips, self.longest, self.batch_size = clips, longest, batch_size

    @property
    def count(self) -> int:
        """Number of clips."""
        return self.clips

    def check(self, trainer: Trainer, module: LightningModule) -> None:
        """See that there is a model to score."""
        trained_pipeline(trainer, module)

    def begin(self, trainer: Trainer, module: LightningModule) -> None:
        """Take the pipeline to the module's device; now, as weights that are gathered for ``add`` must not be moved."""
        trained_pipeline(trainer, module).to(module.device)

    def add(self, trainer: Trainer, module: LightningModule, rows: range, seed: int) -> None:
        """Do some clips."""
        parts = trained_pipeline(trainer, module).parts
        source: Source = trainer.datamodule.source(split_of(trainer))  # type: ignore[attr-defined]
        clips = first_usable(source, rows)
        for first in range(0, len(clips), self.batch_size):
            some = clips[first : first + self.batch_size]
            self.add_clips(parts, some, rows.start + first, seed)

    @abstractmethod
    def add_clips(self, parts: Parts, clips: Sequence[CaptionedAudio], first: int, seed: int) -> None:
        """Do a batch of clips, of which the first has a number."""

    def waveform(self, parts: Parts, clip: CaptionedAudio) -> Tensor:
        """Return the beginning of a clip (channels, samples)."""
        return torch.from_numpy(clip.waveform[:, : parts.codec.samples(self.longest)])


class ScoreCaptions(PipelineTask):
    """Scores of captions of the first validation clips, by ``CaptionMetric``.

    Args:
        clips: Number of clips.
        longest: Seconds kept of a clip.
        batch_size: Clips at once.
        task: How to caption; as ``uat caption`` does where None.
        scorers: What to compute; what needs neither Java nor weights where None.
        words: How captions are split into words; ``Treebank`` where None.
    """

    def __init__(
        self,
        clips: int = 64,
        longest: float = 10.0,
        batch_size: int = 16,
        task: Caption | None = None,
        scorers: list[CaptionScorer] | None = None,
        words: Words | None = None,
    ) -> None:
        super().__init__(clips, longest, batch_size)
        self.task, self.metric = task or Caption(), CaptionMetric(scorers, words)

    def begin(self, trainer: Trainer, module: LightningModule) -> None:
        """Forget all captions."""
        super().begin(trainer, module)
        self.metric.reset()
        self.metric.to(metric_device(module))

    def add_clips(self, parts: Parts, clips: Sequence[CaptionedAudio], first: int, seed: int) -> None:
        """Caption clips."""
        texts = self.task.run(parts, [self.waveform(parts, clip) for clip in clips], seed, first)
        self.metric.update(range(first, first + len(clips)), texts, [clip.captions for clip in clips])

    def scores(self) -> dict[str, Tensor]:
        """Return the scores of all captions."""
        return self.metric.compute()


def split_of(trainer: Trainer) -> str:
    """Return the split whose clips are scored: "test" in a test, else "validation"."""
    return "test" if trainer.state.fn == "test" else "validation"


def metric_device(module: LightningModule) -> torch.device:
    """Return where metrics of a module are kept: where its processes talk to each other, and float64 exists."""
    return torch.device("cpu") if module.device.type == "mps" else module.device
