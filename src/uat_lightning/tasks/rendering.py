"""From edited latents to sound: what the codec makes of them, or the source's own sound wherever nothing changed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.tasks.base import Parts
from uat_lightning.types import Sequences

HOP = 0.016  # seconds; windows are four times as long
REACH = (2, 1)  # bins and frames on either side over which power is averaged


@dataclass(frozen=True)
class Change:
    """What an edit did to some audio.

    Args:
        sources: The audio that was edited, (channels, samples) each.
        before: Its latents.
        after: The edited latents.
        only_adds: Whether what was asked for leaves all of a source as it is, and adds to it.
    """

    sources: Sequence[Tensor]
    before: Sequences
    after: Sequences
    only_adds: Sequence[bool]

    @property
    def samples(self) -> list[int]:
        """How long each source is."""
        return [source.shape[1] for source in self.sources]


class Rendering(ABC):
    """Makes sound of what an edit did to latents."""

    @abstractmethod
    def render(self, parts: Parts, change: Change) -> list[Tensor]:
        """Return one waveform (channels, samples) per source, as long as it, on the CPU.

        Args:
            parts: The trained model.
            change: What the edit did.
        """


class Decoded(Rendering):
    """What the codec makes of the edited latents, and what it loses on the way lost."""

    def render(self, parts: Parts, change: Change) -> list[Tensor]:
        """Return the decoded latents; the sources' own samples do not matter."""
        return parts.sound(change.after, change.samples)


class ChangedBins(Rendering):
    """The source's own sound, but for the bins of time and frequency in which the edit changed the level.

    What the codec makes of the edited latents is compared with what it makes of the source's, so that what it loses of
    both is no change. Bins that are louder or quieter by less than ``low`` dB stay the source's, from ``high`` dB on
    they are the edit's, and are mixed in between: unchanged sounds keep the detail and the phases that a codec does
    not. An edit that changes nothing returns the source but for rounding.

    Where an instruction only adds a sound, bins that became quieter are the source's as well. (The reverse does not
    serve deletions: a bin that the edit makes louder may have held what is to go.)

    Args:
        low: Change of level, in dB, up to which the source stays.
        high: Change of level, in dB, from which on the edit is heard; above ``low``.
        floor: Level, in dB below a sine of amplitude 1, that counts as silence.
    """

    def __init__(self, low: float = 3.0, high: float = 9.0, floor: float = -108.0) -> None:
        if not 0 <= low < high or floor >= 0:
            raise ValueError(f"0 <= low < high and floor < 0: got {low}, {high} and {floor} dB")
        self.low, self.high, self.floor = low, high, floor

    def render(self, parts: Parts, change: Change) -> list[Tensor]:
        """Return the sources with the changed bins of the edits."""
        before, after = (parts.sound(latents, change.samples) for latents in (change.before, change.after))
        each = zip(change.sources, before, after, change.only_adds, strict=True)
        rate = parts.codec.sample_rate
        return [self.mixed(source.cpu(), old, new, rate, adds) for source, old, new, adds in each]

    def mixed(self, source: Tensor, before: Tensor, after: Tensor, sample_rate: int, only_adds: bool = False) -> Tensor:
        """Return a source with the bins in which two other waveforms differ taken from the second; all of one shape."""
        hop = max(1, round(HOP * sample_rate))
        window = torch.hann_window(4 * hop)
        kept, old, new = (
            torch.stft(sound, 4 * hop, hop, window=window, pad_mode="constant", return_complex=True)
            for sound in (source, before, after)
        )
        change = self._levels(new, window) - self._levels(old, window)
        if not only_adds:
            change = change.abs()
        share = ((change - self.low) / (self.high - self.low)).clamp(0, 1)
        both = kept * (1 - share) + new * share
        return torch.istft(both, 4 * hop, hop, window=window, length=source.shape[-1])

    def _levels(self, spectra: Tensor, window: Tensor) -> Tensor:
        """Return smoothed levels in dB of spectra (channels, bins, frames)."""
        bins, frames = REACH
        power = (spectra.abs() / (0.5 * window.sum())).square()[:, None]
        size = (2 * bins + 1, 2 * frames + 1)
        smooth = torch.nn.functional.avg_pool2d(power, size, 1, REACH, count_include_pad=False)[:, 0]
        return 10 / math.log(10) * (smooth + 10 ** (self.floor / 10)).log()
