"""Reading a sound file, or a part of it, at any rate and with any channels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from uat_lightning.data.audio.decoder import Samples
from uat_lightning.data.audio.part import open_part


def read_audio(
    file: str | Path,
    sample_rate: int,
    channels: int,
    start: float = 0.0,
    end: float | None = None,
    longest: float = 600.0,
) -> Samples:
    """Read a sound file, or a part of it, at any rate and with any channels.

    Only the part is decoded, block by block, so that memory is bounded by ``longest`` whatever a header claims. Audio
    of one sample is audio; at least one sample comes back.

    Args:
        file: Anything that libsndfile reads (WAV, FLAC, OGG, Opus, MP3, AIFF and more), or with PyAV the sound of
            MPEG-4, QuickTime, Matroska and WebM files.
        sample_rate: Samples per second wanted, in Hz.
        channels: Channels wanted; ``uat_lightning.data.audio`` says how they are made.
        start: Where to begin, in seconds.
        end: Where to stop, in seconds; the end of the file where None or beyond it.
        longest: Seconds that may be read at once.

    Returns:
        Audio in [-1, 1] as float32 of shape (channels, samples). Float files may exceed full scale; ``loudness`` tells.

    Raises:
        AudioError: If the file is missing, empty, no sound file, damaged or cut short, if it holds NaN, or if the part
            is empty or too long.
    """
    with open_part(file, start, end, longest) as part:
        return _resample(part.blocks(), part.decoder.sample_rate, sample_rate, channels)


def _resample(blocks: Iterator[Samples], rate: int, wanted_rate: int, channels: int) -> Samples:
    """Mix and resample blocks of shape (frames, channels) to audio of shape (channels, samples)."""
    stream = soxr.ResampleStream(rate, wanted_rate, channels, dtype="float32", quality="HQ")
    pieces, last = [], np.zeros((0, channels), np.float32)
    for block in blocks:
        last = _mix(block, channels)
        pieces.append(last if rate == wanted_rate else stream.resample_chunk(last))
    if rate != wanted_rate:
        pieces.append(stream.resample_chunk(last[:0], last=True))
    samples = np.concatenate(pieces)
    # A few samples may round to none at a lower rate.
    return np.ascontiguousarray((samples if len(samples) else last.mean(0, keepdims=True)).T)


def _mix(block: Samples, channels: int) -> Samples:
    if block.shape[1] == channels:
        return block
    return np.ascontiguousarray(np.broadcast_to(block.mean(1, keepdims=True), (len(block), channels)))
