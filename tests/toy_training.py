"""A training so small that it can be run many times: tones with captions, a tiny model, everything seeded."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer

from uat_lightning.backbone import DualStreamTransformer
from uat_lightning.callbacks import EMA, RankSeed
from uat_lightning.codec import MelCodec
from uat_lightning.data.audio_text import AudioTextDataModule, Share
from uat_lightning.data.corpus import Corpus
from uat_lightning.data.source import CaptionedAudio, Source
from uat_lightning.diffusion import Conditional, LogitNormal, MaskedAbsorbing, RectifiedFlow, Uniform
from uat_lightning.learning_rate import WarmupCosine
from uat_lightning.module import UATModule
from uat_lightning.text import BytePairTokenizer

CANVAS, VOCABULARY, WIDTH = 8, 64, 4


class Tones(Source):
    """Sine tones of different pitch and length."""

    def __init__(self, count: int, broken: tuple[int, ...] = (), silent: tuple[int, ...] = ()) -> None:
        self.count, self.broken, self.silent = count, broken, silent

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> CaptionedAudio:
        if index in self.broken:
            raise ValueError(f"tone {index} cannot be read")
        samples = 6000 + 1000 * (index % 5)
        tone = 0.5 * np.sin(np.arange(samples) * (0.05 + 0.01 * index)).astype(np.float32)
        captions = tuple(f"tone number {index}" + " again" * again for again in range(1 + index % 3))
        return CaptionedAudio(f"tone-{index}", tone[None], () if index in self.silent else captions)


class ToneCorpus(Corpus):
    """Tones to train and validate on."""

    def __init__(self, train: int = 10, validation: int = 5) -> None:
        self.counts = {"train": train, "validation": validation}

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(split for split, count in self.counts.items() if count)

    def source(self, split: str, sample_rate: int, channels: int) -> Source:
        return Tones(self.counts[split])

    def description(self) -> dict[str, Any]:
        return dict(self.counts)


class ToneData(AudioTextDataModule):
    """Tones to train and validate on, of one corpus or of several."""

    def __init__(
        self,
        cache: Path | str,
        train: int = 10,
        validation: int = 5,
        corpora: dict[str, Share] | None = None,
        **settings: Any,
    ) -> None:
        codec = MelCodec(latent_width=WIDTH, mel_bands=16, window=512, mel_hop=256, patch=4, iterations=2)
        settings = {"batch_size": 4, "workers": 0, **settings}
        corpora = corpora or {"tones": Share(ToneCorpus(train, validation))}
        super().__init__(codec, BytePairTokenizer(CANVAS, VOCABULARY), corpora, cache=str(cache), **settings)


def toy_module(learning_rate: float = 1e-2) -> UATModule:
    """Make the module, always with the same weights."""
    torch.manual_seed(0)
    return UATModule(
        DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, width=16, depth=1, heads=2),
        RectifiedFlow(),
        MaskedAbsorbing(),
        Conditional(LogitNormal(), Uniform(), drop_text=0.3, drop_audio=0.3),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=learning_rate),
        scheduler=lambda optimizer: WarmupCosine(optimizer, warmup=3, steps=12),
    )


class Trace(Callback):
    """Remembers every loss, in full precision, and which rows it was of."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.rows: list[list[int]] = []
        self.validation: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.losses.append(float(outputs["loss"]))
        self.rows.append(batch.clean.text.values[:, 2].tolist() + batch.clean.audio.lengths.tolist())

    def on_validation_epoch_end(self, trainer, pl_module) -> None:
        self.validation.append(float(trainer.callback_metrics["validation/loss"]))


def toy_trainer(folder: Path, steps: int, *callbacks: Callback, **settings: Any) -> Trainer:
    """Make a quiet Trainer with everything that resuming must get right."""
    usual = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "num_sanity_val_steps": 0,
        "gradient_clip_val": 1.0,
        "use_distributed_sampler": False,
    }
    return Trainer(
        default_root_dir=folder,
        max_steps=steps,
        callbacks=[RankSeed(5), EMA(0.9), *callbacks],
        **{**usual, **settings},
    )


class TraceFile(Callback):
    """Writes every step's loss to a file, in full precision.

    Args:
        file: Where to write; a step that is done again is written again.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        with self.file.open("a") as file:
            file.write(f"{trainer.global_step} {float(outputs['loss']).hex()}\n")

    @staticmethod
    def read(file: Path) -> dict[int, str]:
        return {int(step): loss for step, loss in (line.split() for line in file.read_text().splitlines())}


class KillAt(Callback):
    """Kills the process when a step is done.

    Args:
        step: The step.
    """

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)
