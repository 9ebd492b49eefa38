"""Writing sound files of the usual formats."""

from __future__ import annotations

import io
import uuid
from pathlib import Path

import numpy as np
import soundfile
from torch import Tensor

from uat_lightning.data.audio.decoder import BLOCK, Samples
from uat_lightning.data.audio.header import AudioError, reason
from uat_lightning.data.audio.loudness import decibels

FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aiff": ("AIFF", "PCM_16"),
}
PEAK = 0.99


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
    return decibels(scale) if scale < 1 else 0.0


def _encoded(file: Path, values: Samples, sample_rate: int) -> bytes:
    file_format, subtype = FORMATS[file.suffix.lower()]
    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(buffer, "w", sample_rate, len(values), subtype, format=file_format) as sound:
            for begin in range(0, values.shape[1], BLOCK // 32):  # Vorbis overflows the stack on long writes
                sound.write(np.ascontiguousarray(values[:, begin : begin + BLOCK // 32].T))
    except (soundfile.LibsndfileError, ValueError, TypeError) as error:
        detail = f"{len(values)} channels at {sample_rate} Hz"
        raise AudioError(f"{file}: {file_format} cannot hold {detail} ({reason(error)}): use .wav") from error
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
