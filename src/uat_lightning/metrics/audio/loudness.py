"""How loud people find a sound: integrated loudness in LUFS."""

from __future__ import annotations

from math import nan

from torch import Tensor

BLOCK = 0.4  # seconds of a gating block


def integrated_loudness(waveform: Tensor, sample_rate: int) -> float:
    """Return the integrated loudness of a clip in LUFS, by ``pyloudnorm`` (ITU-R BS.1770-4).

    Args:
        waveform: Audio (channels, samples), at most five channels: left, right, centre and both surrounds.
        sample_rate: Samples per second, in Hz.

    Returns:
        LUFS; minus infinity where no block is above the absolute gate of -70, NaN for clips shorter than one block of
        0.4 s, which have no loudness.

    Raises:
        ValueError: If there are more than five channels.
    """
    from pyloudnorm import Meter  # a slow import, for those who measure loudness

    channels, samples = waveform.shape
    if channels > 5:
        raise ValueError(f"loudness is defined for at most 5 channels, got {channels}: mix them first")
    if samples < BLOCK * sample_rate:
        return nan
    return float(Meter(sample_rate, block_size=BLOCK).integrated_loudness(waveform.double().cpu().numpy().T))
