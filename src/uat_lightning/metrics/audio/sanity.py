"""Whether a clip is sound at all: level, clipping, silence, noise, length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import inf, isinf, nan

import torch
from torch import Tensor

from uat_lightning.metrics.audio.loudness import integrated_loudness
from uat_lightning.metrics.clip_records import ClipRecords

FRAME = 0.01  # seconds over which a level is taken
CLIPPED = 1 - 2**-15  # the largest amplitude that 16 bits hold
QUIETEST = 1e-6  # amplitude of -120 dBFS, the lowest level reported


@dataclass(frozen=True)
class Sanity:
    """What a look at a waveform tells. Samples that are not finite are taken for silence, and counted.

    Args:
        seconds: Length.
        sounding_seconds: Where the last frame ends that is not silent: the length without silence at the end.
        rms_dbfs: Root mean square in dB relative to full scale, at least -120.
        peak_dbfs: Largest magnitude in dB relative to full scale, at least -120.
        clipped_share: Share of the samples at or beyond what 16 bits hold, 0 to 1.
        silent_share: Share of the frames of 10 ms whose RMS is below the threshold, 0 to 1.
        spectral_flatness: Geometric over arithmetic mean of the power spectrum, of the whole clip's, 0 (a tone) to 1
            (white noise); NaN for silence.
        loudness_lufs: Integrated loudness; NaN where there is none, minus infinity below its gate.
        not_finite_share: Share of the samples that are NaN or infinite, 0 to 1.
    """

    seconds: float
    sounding_seconds: float
    rms_dbfs: float
    peak_dbfs: float
    clipped_share: float
    silent_share: float
    spectral_flatness: float
    loudness_lufs: float
    not_finite_share: float


def sanity(waveform: Tensor, sample_rate: int, silence: float = -60.0) -> Sanity:
    """Look at one clip.

    Args:
        waveform: Audio (channels, samples), at least one sample.
        sample_rate: Samples per second, in Hz.
        silence: Level in dBFS below which a frame is silent.

    Raises:
        ValueError: If the clip is empty.
    """
    if waveform.ndim != 2 or not waveform.numel():
        raise ValueError(f"a clip has the shape (channels, samples) and a sample, got {tuple(waveform.shape)}")
    values = waveform.detach().double().nan_to_num(0, 0, 0)
    levels = _frame_levels(values, sample_rate)
    loud = (levels >= silence).nonzero()
    seconds = values.shape[1] / sample_rate
    return Sanity(
        seconds=seconds,
        sounding_seconds=min(seconds, FRAME * (float(loud[-1]) + 1)) if len(loud) else 0.0,
        rms_dbfs=_decibels(values.square().mean().sqrt()),
        peak_dbfs=_decibels(values.abs().max()),
        clipped_share=float((values.abs() >= CLIPPED).double().mean()),
        silent_share=1 - len(loud) / len(levels),
        spectral_flatness=spectral_flatness(values, sample_rate),
        loudness_lufs=integrated_loudness(values, sample_rate),
        not_finite_share=1 - float(torch.isfinite(waveform).double().mean()),
    )


def spectral_flatness(waveform: Tensor, sample_rate: int) -> float:
    """Return the spectral flatness of a clip (channels, samples) from 0 to 1; NaN for silence.

    The geometric over the arithmetic mean of the power spectrum (Gray & Markel 1974, "A spectral-flatness measure",
    equation 2). The spectrum is the mean over windows of 46 ms (Welch 1967), so that white noise comes near 1.
    """
    size = int(2048 * sample_rate / 44_100)
    padded = torch.nn.functional.pad(waveform, (0, max(0, size - waveform.shape[1])))
    window = torch.hann_window(size, dtype=waveform.dtype, device=waveform.device)
    spectrum = torch.stft(padded, size, size // 2, window=window, center=False, return_complex=True)
    power = spectrum.abs().square().mean((0, 2))[1:-1]  # the ends hold the offset, and half of a band
    mean = power.mean()
    return float(torch.exp((power / mean).log().mean())) if mean > 0 else nan


def _frame_levels(values: Tensor, sample_rate: int) -> Tensor:
    """Return the RMS of frames in dBFS, all channels together; the last frame may be shorter."""
    size, samples = max(1, round(FRAME * sample_rate)), values.shape[1]
    missing = -samples % size
    frames = torch.nn.functional.pad(values.square().mean(0), (0, missing)).reshape(-1, size)
    lengths = torch.full((len(frames),), float(size), dtype=values.dtype, device=values.device)
    lengths[-1] -= missing
    return 10 * torch.log10((frames.sum(1) / lengths).clamp(min=QUIETEST**2))


def _decibels(amplitude: Tensor) -> float:
    return float(20 * torch.log10(amplitude.clamp(min=QUIETEST)))


class SanityStatistics(ClipRecords):
    """Means over clips of what ``sanity`` tells, and the number of clips that are not sound.

    ``compute`` returns the mean of each figure over the clips that have it; ``clips``; and of these ``clips_clipped``
    (some sample), ``clips_silent`` (every frame), ``clips_not_finite`` (some sample) and ``clips_without_loudness``,
    which the mean of the loudness leaves out as they are too quiet or too short.

    Args:
        sample_rate: Samples per second of all waveforms, in Hz.
        silence: Level in dBFS below which a frame is silent.
    """

    def __init__(self, sample_rate: int, silence: float = -60.0) -> None:
        super().__init__(len(fields(Sanity)))
        self.sample_rate, self.silence = sample_rate, silence

    def update(self, waveforms: Sequence[Tensor], ids: Tensor) -> None:
        """Add waveforms (channels, samples) of any lengths with the clips' ids (clips,)."""
        looks = [asdict(sanity(waveform, self.sample_rate, self.silence)) for waveform in waveforms]
        self.record(torch.tensor([list(look.values()) for look in looks], dtype=torch.float64), ids)

    def compute(self) -> dict[str, float]:
        """Return the means and the numbers over everything added."""
        return summary([Sanity(*row) for row in self.rows().tolist()])


def summary(clips: Sequence[Sanity]) -> dict[str, float]:
    """Return the means and counts that ``SanityStatistics`` reports; means without clips are NaN."""
    means = {field.name: _mean([getattr(clip, field.name) for clip in clips]) for field in fields(Sanity)}
    counts = {
        "clips": len(clips),
        "clips_clipped": sum(clip.clipped_share > 0 for clip in clips),
        "clips_silent": sum(clip.silent_share == 1 for clip in clips),
        "clips_not_finite": sum(clip.not_finite_share > 0 for clip in clips),
        "clips_without_loudness": sum(not -inf < clip.loudness_lufs < inf for clip in clips),
    }
    return {**means, **counts}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value == value and not isinf(value)]
    return sum(known) / len(known) if known else nan
