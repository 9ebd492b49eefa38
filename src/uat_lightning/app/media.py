"""Sounds and pictures inside a page: data addresses, so that the page is one file."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import soundfile
from matplotlib.image import imsave
from torch import Tensor

from uat_lightning.callbacks.spectrogram import picture

LOUDEST = 0.99  # amplitude that players are given at most
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz


@dataclass(frozen=True)
class Sound:
    """A sound to play and to see.

    Args:
        audio: Address of the player's data.
        image: Address of the spectrogram's data.
        seconds: Duration.
    """

    audio: str
    image: str
    seconds: float


def sound(waveform: Tensor, sample_rate: int) -> Sound:
    """Return a waveform (channels, samples) for a page; samples out of range are turned down, NaN becomes silence."""
    finite = waveform.nan_to_num(0.0, 0.0, 0.0)
    audible = finite * (LOUDEST / max(LOUDEST, float(finite.abs().max())))
    image = _data("image/webp", _image(audible, sample_rate))
    return Sound(_audio(audible, sample_rate), image, waveform.shape[1] / sample_rate)


def _audio(waveform: Tensor, sample_rate: int) -> str:
    """Encode as MP3, the one small format that every browser plays, or as FLAC at rates that MP3 has not."""
    kind, name = ("audio/mpeg", "MP3") if sample_rate in MP3_RATES else ("audio/flac", "FLAC")
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform.numpy().T, sample_rate, format=name)
    return _data(kind, buffer.getvalue())


def _image(waveform: Tensor, sample_rate: int) -> bytes:
    buffer = io.BytesIO()
    pixels = (picture(waveform, sample_rate).permute(1, 2, 0) * 255).byte().numpy()
    imsave(buffer, pixels, format="webp", pil_kwargs={"quality": 75})
    return buffer.getvalue()


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
