"""Sound files of any kind as what the model hears."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from uat_lightning.app.model import OpenModel
from uat_lightning.data.audio import loudness, read_audio


@dataclass(frozen=True)
class Part:
    """The part of a sound file to read.

    Args:
        start: Where to begin, in seconds.
        end: Where to stop, in seconds; the end of the file where None.
    """

    start: float = 0.0
    end: float | None = None


@dataclass(frozen=True)
class Span:
    """A stretch of a sound file.

    Args:
        file: The file.
        start: Where it begins, in seconds.
        end: Where it stops, in seconds.
        whole: Whether it is all that was asked for of the file.
        waveform: Audio of shape (channels, samples) at the model's rate.
    """

    file: str
    start: float
    end: float
    whole: bool
    waveform: Tensor

    @property
    def name(self) -> str:
        """The file, with the span as a media fragment (``clip.flac#t=4,8``) where the file has several."""
        return self.file if self.whole else f"{self.file}#t={self.start:g},{self.end:g}"


def read_source(file: str, part: Part, model: OpenModel) -> Tensor:
    """Read audio at the model's rate and channels, (channels, samples), and warn where it is silent.

    Raises:
        ValueError: If the file cannot be used; the message names it.
    """
    rate, channels = model.pipeline.sample_rate, model.parts.codec.channels
    samples = read_audio(file, rate, channels, part.start, part.end)
    if loudness(samples).silent:
        print(f"uat: warning: {file} is silent", file=sys.stderr)
    return torch.from_numpy(samples)


def cut(file: str, start: float, waveform: Tensor, rate: int, window: float) -> list[Span]:
    """Cut audio into the fewest equal spans that are no longer than a window.

    Args:
        file: Where the audio is from.
        start: Where in the file it begins, in seconds.
        waveform: Audio of shape (channels, samples).
        rate: Samples per second, in Hz.
        window: Longest span, in seconds.
    """
    samples = waveform.shape[1]
    count = max(1, math.ceil(samples / rate / window - 1e-6))
    edges = [round(place * samples / count) for place in range(count + 1)]
    return [
        Span(file, round(start + first / rate, 3), round(start + last / rate, 3), count == 1, waveform[:, first:last])
        for first, last in pairwise(edges)
    ]


def check_given(files: Sequence[str]) -> None:
    """See that there is a file to work on.

    Raises:
        ValueError: If there is none.
    """
    if not files:
        raise ValueError("no sound file given: name at least one")
