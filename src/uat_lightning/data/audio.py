"""Sound files: reading any of them, writing the usual ones.

Reading follows one policy for channels: a file with the wanted number of channels is taken as it is; any other is
mixed to the mean of its channels, and that is repeated on every channel wanted. No layout is assumed, nothing is lost.
"""

from __future__ import annotations

import io
import math
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from torch import Tensor

from uat_lightning.data.sound_header import AudioError, check_exists, length

Samples = NDArray[np.float32]

__all__ = ["FORMATS", "READABLE", "AudioError", "Loudness", "Samples", "loudness", "read_audio", "write_audio"]

FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aiff": ("AIFF", "PCM_16"),
}
READABLE = frozenset({*FORMATS, ".aif", ".aifc", ".au", ".caf", ".oga", ".opus", ".rf64", ".w64"})
BLOCK = 1 << 21  # samples decoded at once, over all channels
MP3_LEAD = 16 * 1152  # frames decoded and dropped before a part: MP3 borrows bits from up to nine frames before
OVER = 100.0  # times full scale; integer samples saved as floats reach 32768
PEAK = 0.99
QUIETEST = 1e-6  # amplitude of -120 dBFS, the lowest level reported
SILENCE = 1e-4  # peak amplitude below which nobody hears anything (-80 dBFS)


@dataclass(frozen=True)
class Loudness:
    """How loud audio is.

    Args:
        peak_dbfs: Largest magnitude in dB relative to full scale, at least -120.
        rms_dbfs: Root mean square in dB relative to full scale, at least -120.
        silent: Whether no sample reaches -80 dBFS.
    """

    peak_dbfs: float
    rms_dbfs: float
    silent: bool


def loudness(waveform: Tensor | Samples) -> Loudness:
    """Measure audio of shape (channels, samples), at least one sample."""
    values = np.abs(np.asarray(waveform, dtype=np.float64))
    peak, rms = float(values.max()), math.sqrt(float(np.square(values).mean()))
    return Loudness(_decibels(peak), _decibels(rms), peak < SILENCE)


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
        file: Anything that libsndfile reads: WAV, FLAC, OGG, Opus, MP3, AIFF and more.
        sample_rate: Samples per second wanted, in Hz.
        channels: Channels wanted; see above how they are made.
        start: Where to begin, in seconds.
        end: Where to stop, in seconds; the end of the file where None or beyond it.
        longest: Seconds that may be read at once.

    Returns:
        Audio in [-1, 1] as float32 of shape (channels, samples). Float files may exceed full scale; ``loudness`` tells.

    Raises:
        AudioError: If the file is missing, empty, no sound file, damaged or cut short, if it holds NaN, or if the part
            is empty or too long.
    """
    file = Path(file)
    check_exists(file)
    try:
        with soundfile.SoundFile(str(file)) as sound:
            first, count = _part(file, sound, start, end, longest)
            resampled = _resample(file, _blocks(file, sound, first, count), sound.samplerate, sample_rate, channels)
    except (soundfile.LibsndfileError, TypeError, OSError) as error:  # TypeError: headerless .raw
        raise AudioError(f"{file} cannot be decoded ({_reason(error)}): convert it to WAV or FLAC") from error
    return resampled


def write_audio(file: str | Path, waveform: Tensor | Samples, sample_rate: int) -> float:
    """Write audio in the format of the file's extension, all of it or nothing; missing folders are made.

    Args:
        file: A ``.wav`` or ``.flac`` (16 bits), ``.ogg``, ``.mp3`` or ``.aiff`` file.
        waveform: Audio of shape (channels, samples).
        sample_rate: Samples per second, in Hz.

    Returns:
        The gain in dB: 0, or what took a peak beyond 0.99 down to 0.99.

    Raises:
        AudioError: If the extension is unknown, the audio is empty or not finite, or the file cannot be written.
    """
    file = Path(file)
    if file.suffix.lower() not in FORMATS:
        raise AudioError(f"{file}: no format for {file.suffix or 'no extension'!r}: use {', '.join(sorted(FORMATS))}")
    values = np.asarray(waveform, dtype=np.float32)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise AudioError(f"{file}: only finite audio of shape (channels, samples) can be written, got {values.shape}")
    peak = float(np.abs(values).max())
    scale = min(1.0, PEAK / peak) if peak > 0 else 1.0
    _replace(file, _encoded(file, values * np.float32(scale), sample_rate))
    return _decibels(scale) if scale < 1 else 0.0


def _part(file: Path, sound: soundfile.SoundFile, start: float, end: float | None, longest: float) -> tuple[int, int]:
    """Return the first frame of the part and the number of frames."""
    rate, frames = sound.samplerate, length(file, sound)
    if not (math.isfinite(start) and start >= 0 and (end is None or end > start)):
        raise AudioError(f"{file}: start must be 0 or more and end above it, got start {start} and end {end}")
    first, stop = round(start * rate), frames if end is None else round(min(end * rate, frames))
    if first >= frames:
        raise AudioError(f"{file} lasts {frames / rate:.2f} s, the part begins at {start} s: choose an earlier start")
    count = max(1, stop - first)
    if count > longest * rate:
        remedy = "take a part of it with start and end"
        raise AudioError(f"{file}: {count / rate:.1f} s are more than the {longest:g} s read at once: {remedy}")
    return first, count


def _blocks(file: Path, sound: soundfile.SoundFile, first: int, count: int) -> Iterator[Samples]:
    """Yield the part in blocks of shape (frames, channels)."""
    size, left = max(1, BLOCK // sound.channels), count
    while left > 0:
        begin = first + count - left
        lead = min(begin, MP3_LEAD) if sound.format == "MP3" else 0
        sound.seek(begin - lead)
        block = sound.read(lead + min(left, size), dtype="float32", always_2d=True)[lead:]
        if len(block) == 0:
            break
        _check_samples(file, block)
        left -= len(block)
        yield block
    if left > 0.1 * sound.samplerate or left == count:  # the length of an MP3 is known roughly
        missing = left / sound.samplerate
        raise AudioError(f"{file} is truncated, {missing:.2f} s of it are missing: fetch or record it again")


def _check_samples(file: Path, block: Samples) -> None:
    if not np.isfinite(block).all():
        raise AudioError(f"{file} holds NaN or infinite samples: export it again, as integers")
    if np.abs(block).max() > OVER:
        raise AudioError(
            f"{file} reaches {np.abs(block).max():.0f} times full scale: divide its samples and save it anew"
        )


def _resample(file: Path, blocks: Iterator[Samples], rate: int, wanted_rate: int, channels: int) -> Samples:
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


def _encoded(file: Path, values: Samples, sample_rate: int) -> bytes:
    file_format, subtype = FORMATS[file.suffix.lower()]
    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(buffer, "w", sample_rate, len(values), subtype, format=file_format) as sound:
            for begin in range(0, values.shape[1], BLOCK // 32):  # Vorbis overflows the stack on long writes
                sound.write(np.ascontiguousarray(values[:, begin : begin + BLOCK // 32].T))
    except (soundfile.LibsndfileError, ValueError, TypeError) as error:
        detail = f"{len(values)} channels at {sample_rate} Hz"
        raise AudioError(f"{file}: {file_format} cannot hold {detail} ({_reason(error)}): use .wav") from error
    return buffer.getvalue()


def _replace(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{uuid.uuid4().hex[:8]}-{file.name}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise AudioError(f"cannot write {file}: {error.strerror or error}: choose another place") from error


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", "") or getattr(error, "strerror", "") or str(error)
    return str(text).strip().rstrip(".") or "damaged or cut short"


def _decibels(amplitude: float) -> float:
    return round(20 * math.log10(max(amplitude, QUIETEST)), 2)
