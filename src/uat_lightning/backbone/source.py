"""A second condition of the audio: the latents that it is to be an edit of.

Wherever a backbone takes noisy latents, it then takes wider ones as well: (rows, frames, 2 latent_width + 1), the noisy
channels, the source's, and one that is 1 where there is a source. Without a source the further channels are zeros, or
are left out, and contribute nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from uat_lightning.backbone.feed_forward import start_at_zero
from uat_lightning.backbone.one_sided import OneSided
from uat_lightning.configurable import Configurable
from uat_lightning.types import Sequences


class SourceLatents(Configurable):
    """Lets a backbone see a source: names the layers through which it enters the audio stream and the prediction.

    Either layer starts at zero: a network that knows no edits yet does what it did before.

    Attributes:
        in_context: Whether the source has a stream of its own besides, which the noisy audio reads.
    """

    in_context = False

    def entrance(self, latent_width: int, width: int) -> nn.Linear:
        """Return the layer from the source's channels, and the one that tells its presence, to the audio stream.

        It is linear, without bias, and its output is added to that of the layer through which noisy latents enter. This
        equals one layer over the concatenated channels (InstructPix2Pix, arXiv 2211.09800, section 3.2).

        Args:
            latent_width: Channels of the audio latents.
            width: Channels of the audio stream.
        """
        layer = nn.Linear(latent_width + 1, width, bias=False)
        nn.init.zeros_(layer.weight)
        return layer

    def exit(self, latent_width: int, width: int) -> SourceExit:
        """Return the layer from source and noisy latents straight to the prediction; arguments as above."""
        return SourceExit(latent_width, width)


class InContextSource(SourceLatents):
    """Lets a backbone see a source beside the noisy latents, and read it as clean audio next to the text.

    The source goes through the audio stream as the clean audio of captioning does, and it and the text read each other.
    The noisy latents read both, frames of equal number at equal rotary positions. The pair is clean, so that it is
    computed once for all steps. In-context conditioning as in FLUX.1 Kontext (arXiv 2506.15742), but that the source is
    isolated.
    """

    in_context = True


class SourceExit(nn.Module):
    """What goes from source and noisy latents straight into the prediction, in shares that the noise level decides.

    Where an edit changes nothing, the velocity of the rectified flow is ``(noisy - source) / t``, and that of any other
    process as well is a sum of the two in shares that depend on t alone. The network is left with what does change.

    Args:
        latent_width: Channels of the audio latents.
        width: Channels of the condition.
    """

    def __init__(self, latent_width: int, width: int) -> None:
        super().__init__()
        self.shares = nn.Linear(width, 2 * latent_width)
        start_at_zero(self.shares)
        nn.init.zeros_(self.shares.bias)

    def forward(self, wide: Tensor, condition: Tensor) -> Tensor:
        """Return what to add to the prediction, (rows, frames, latent_width): zeros where there is no source.

        Args:
            wide: Noisy latents with a source's channels, (rows, frames, 2 latent_width + 1).
            condition: What is known of the noise level, (rows, width).
        """
        of_noisy, of_source = self.shares(nn.functional.silu(condition))[:, None].chunk(2, -1)
        noisy, source, present = torch.tensor_split(wide, (of_noisy.shape[-1], 2 * of_noisy.shape[-1]), dim=-1)
        added: Tensor = present * (of_noisy * noisy + of_source * source)
        return added


@dataclass(frozen=True)
class BesideSource(OneSided[Tensor]):
    """An audio prediction beside a source that stays.

    Args:
        wide: The prediction from noisy latents with a source's channels.
        source: Latents of each row's source, of length 0 where there is none.
    """

    wide: OneSided[Tensor]
    source: Sequences

    def __call__(self, noisy: Sequences, t: Tensor) -> Tensor:
        """Return the prediction for noisy latents (rows, frames, channels) at their noise levels, (rows,)."""
        return self.wide(beside(noisy, self.source), t)

    def take(self, rows: Tensor) -> OneSided[Tensor]:
        """Return the function for some of the rows."""
        return BesideSource(self.wide.take(rows), self.source.take(rows))


def beside(noisy: Sequences, source: Sequences) -> Sequences:
    """Return noisy latents with a source's channels, (rows, frames, 2 channels + 1).

    Args:
        noisy: Latents (rows, frames, channels).
        source: Latents of as many rows, of length 0 where there is none; padding beyond the noisy frames is cut.
    """
    frames, clean = noisy.values.shape[1], blank_padding(source)
    channels = torch.cat([clean.values, clean.mask[..., None].to(clean.values)], dim=-1)[:, :frames]
    channels = nn.functional.pad(channels, (0, 0, 0, frames - channels.shape[1]))
    return Sequences(torch.cat([noisy.values, channels], dim=-1), noisy.lengths)


def blank_padding(source: Sequences) -> Sequences:
    """Return latents with zeros for padding, which may hold anything, even what is no number."""
    return Sequences(source.values.masked_fill(~source.mask[..., None], 0), source.lengths)


def widened(values: Tensor, latent_width: int) -> Tensor:
    """Return noisy latents with a source's channels, which are zeros where none came with them.

    Zeros, and not nothing, where no row has a source: every weight then has a gradient on every rank.
    """
    return nn.functional.pad(values, (0, 2 * latent_width + 1 - values.shape[-1]))


def check_channels(values: Tensor, latent_width: int) -> None:
    """See that nothing stands beside noisy latents.

    Raises:
        ValueError: If a source does.
    """
    if values.shape[-1] != latent_width:
        raise ValueError(f"{values.shape[-1]} channels of latents, not {latent_width}: the backbone takes no source")
