"""Real sounds: folds 1 to 4 of ESC-50 to train on, fold 5 to test; a caption names a clip's category."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from esc50 import HELD_OUT, TEMPLATES, Clip, names, read_clips, write_manifest
from esc50_tagger import train
from settle.grounds import Ground, Read, TestClip
from uat_lightning.data.audio import read_audio
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger
from uat_lightning.metrics.embedders.folder import load_listener, save_listener
from uat_lightning.tasks import Parts

PROMPT = TEMPLATES[1]
CANVAS, VOCABULARY = 16, 512


@dataclass(frozen=True)
class ESC50Ground(Ground):
    """ESC-50.

    Args:
        root: Folder that holds ``esc50.csv`` and ``audio/``.
        work: Folder of manifests and of the listener.
        count: Test clips, spread over fold 5; all where there are no more.
        more: Further options of ``uat fit``.
        base: The config of the joint model.
        epochs: Passes of the listener over folds 1 to 4.
    """

    root: Path
    work: Path
    count: int = 400
    more: Sequence[str] = ()
    base: str = "folder.yaml"
    epochs: int = 30
    name: str = "esc50"
    seconds: float = 4.0  # of 5: a new crop at each visit

    @cached_property
    def _clips(self) -> list[Clip]:
        return read_clips(self.root)

    @cached_property
    def _categories(self) -> list[str]:
        return sorted({clip.words for clip in self._clips})

    def options(self) -> list[str]:
        """Return where the sounds and their captions are, and a canvas that is no longer than those."""
        settings = {
            "model.init_args.backbone.init_args.canvas": CANVAS,
            "model.init_args.backbone.init_args.vocabulary_size": VOCABULARY,
            "data.init_args.root": self.root.absolute() / "audio",
            "data.init_args.manifest": self.work / "train.jsonl",
            "data.init_args.validation_manifest": self.work / "held_out.jsonl",
            "data.init_args.tokenizer.init_args.canvas": CANVAS,
            "data.init_args.tokenizer.init_args.vocabulary_size": VOCABULARY,
            "data.init_args.longest_seconds": self.seconds,
        }
        return [*(f"--{name}={value}" for name, value in settings.items()), *self.more]

    def prepare(self) -> None:
        """Write the manifests."""
        self.work.mkdir(parents=True, exist_ok=True)
        write_manifest(self.work / "train.jsonl", [clip for clip in self._clips if clip.fold != HELD_OUT])
        write_manifest(self.work / "held_out.jsonl", self._held_out())

    def _held_out(self) -> list[Clip]:
        return [clip for clip in self._clips if clip.fold == HELD_OUT]

    def clips(self, parts: Parts) -> list[TestClip]:
        """Return clips of fold 5, as much of each as is trained on."""
        held_out = self._held_out()
        some = held_out[:: max(1, len(held_out) // self.count)][: self.count]
        return sorted((self._clip(clip, parts) for clip in some), key=lambda clip: (clip.waveform.shape[1], clip.name))

    def _clip(self, clip: Clip, parts: Parts) -> TestClip:
        waveform = torch.from_numpy(read_audio(clip.file, parts.codec.sample_rate, parts.codec.channels))
        beginning = waveform[:, : parts.codec.samples(self.seconds)]
        references = [text.format(clip.words) for text in TEMPLATES]
        return TestClip(clip.file.stem, beginning, PROMPT.format(clip.words), references, frozenset({clip.words}))

    def read(self, caption: str) -> Read:
        """Return the categories that a caption names."""
        return Read(frozenset(words for words in self._categories if names(caption, words)))

    def tagger(self, sample_rate: int) -> ConvolutionalTagger:
        """Return a tagger trained on folds 1 to 4, once."""
        folder = self.work / f"tagger-{self.epochs}"
        if not folder.exists():
            recipe = {"seed": 0, "width": 16, "held_out": HELD_OUT, "batch_size": 32, "learning_rate": 3e-3}
            save_listener(train(argparse.Namespace(**recipe, epochs=self.epochs), self._clips)[0], folder)
        return load_listener(folder, ConvolutionalTagger)

    def about(self) -> dict[str, Any]:
        """Return the fold."""
        return {"data": f"ESC-50, fold {HELD_OUT}", "asked_for": self.count}
