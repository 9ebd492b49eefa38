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
from uat_lightning.tensors import over_positions
from uat_lightning.types import Sequences

LEAST = 0.02  # noise level that a prediction is divided by at least: where next to nothing is noise, all is known


class SourceLatents(Configurable):
    """Lets a backbone see a source: makes the layers through which it enters the audio stream and the prediction.

    A network that knows no edits yet does, where there is no source, what it did before.

    Attributes:
        in_context: Whether the source has a stream of its own besides, which the noisy audio reads.
    """

    in_context = False

    def layers(self, latent_width: int, width: int) -> SourceLayers:
        """Return the layers.

        Args:
            latent_width: Channels of the audio latents.
            width: Channels of the audio stream.
        """
        return SourceLayers(latent_width, width)


class InContextSource(SourceLatents):
    """Lets a backbone see a source beside the noisy latents, and read it as clean audio next to the text.

    The source goes through the audio stream as the clean audio of captioning does, and it and the text read each other.
    The noisy latents read both, frames of equal number at equal rotary positions. The pair is clean, so that it is
    computed once for all steps. In-context conditioning as in FLUX.1 Kontext (arXiv 2506.15742), but that the source is
    isolated.
    """

    in_context = True


class NoSource(nn.Module):
    """What stands in the place of those layers in a backbone that takes no source.

    Args:
        latent_width: Channels of the audio latents.
    """

    def __init__(self, latent_width: int) -> None:
        super().__init__()
        self.latent_width = latent_width

    def enter(self, x: Tensor, values: Tensor) -> Tensor:
        """Return the states as they are.

        Raises:
            ValueError: If a source stands beside the noisy latents.
        """
        if values.shape[-1] != self.latent_width:
            found = f"{values.shape[-1]} channels of latents, not {self.latent_width}"
            raise ValueError(f"{found}: the backbone takes no source")
        return x

    def leave(self, made: Tensor, x: Tensor, values: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Return the prediction as it is."""
        return made


class SourceLayers(NoSource):
    """The way of a source into the audio stream and into the prediction.

    It enters through a linear layer from its channels, and the one that tells its presence, whose output is added to
    that of the layer through which noisy latents enter. This equals one layer over the concatenated channels
    (InstructPix2Pix, arXiv 2211.09800, section 3.2), and starts at zero.

    Args:
        latent_width: Channels of the audio latents.
        width: Channels of the audio stream and of its condition.
    """

    def __init__(self, latent_width: int, width: int) -> None:
        super().__init__(latent_width)
        self.entrance = nn.Linear(latent_width + 1, width, bias=False)
        start_at_zero(self.entrance)
        self.exit = SourceExit(latent_width, width)

    def enter(self, x: Tensor, values: Tensor) -> Tensor:
        """Return states with what they are told of the source.

        Args:
            x: States of the noisy frames, (rows, frames, width).
            values: Noisy latents, with a source's channels or without, (rows, frames, channels).
        """
        told: Tensor = self.entrance(self._wide(values)[..., self.latent_width :])
        return x + told

    def leave(self, made: Tensor, x: Tensor, values: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Return the prediction, mixed with that of a source that stays.

        Args:
            made: The network's prediction, (rows, frames, latent_width).
            x: Its last states, (rows, frames, width).
            values: Noisy latents, with a source's channels or without, (rows, frames, channels).
            t: Their noise levels, (rows,).
            condition: What the network knows of the levels, (rows, width).
        """
        mixed: Tensor = self.exit(made, x, self._wide(values), t, condition)
        return mixed

    def _wide(self, values: Tensor) -> Tensor:
        """Return noisy latents with a source's channels, which are zeros where none came with them.

        Zeros, and not nothing, where no row has a source: every weight then has a gradient on every rank.
        """
        return nn.functional.pad(values, (0, 2 * self.latent_width + 1 - values.shape[-1]))


class SourceExit(nn.Module):
    """Mixes the prediction with that of a sound that stays, in shares that the network decides.

    What nobody asked to change is the same in source and target, so that the expected target of training is a mixture:
    ``p kept + (1 - p) other``, where p is how likely it is, channel by channel, that a frame stays. The prediction of
    the rectified flow for what stays is known without a network, ``(noisy - source) / t``, and that of any other
    process is a sum of the two in other shares: these are learned, and start at those of the rectified flow. The
    network is left with what changes, and with saying where; copying sound through its streams costs it most of its
    width. Copying and making are mixed as in pointer networks (See et al. 2017, arXiv 1704.04368, equation 9).

    Args:
        latent_width: Channels of the audio latents.
        width: Channels of the states and of the condition.
    """

    def __init__(self, latent_width: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.stays = nn.Linear(width, latent_width)
        self.shares = nn.Linear(width, 2 * latent_width)
        start_at_zero(self.stays, self.shares)

    def forward(self, made: Tensor, x: Tensor, wide: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Return the mixed prediction, (rows, frames, latent_width): ``made`` itself where there is no source.

        Args:
            made: The network's prediction, (rows, frames, latent_width).
            x: Its last states, (rows, frames, width).
            wide: Noisy latents with a source's channels, (rows, frames, 2 latent_width + 1).
            t: Their noise levels, (rows,).
            condition: What the network knows of them, (rows, width).
        """
        width = made.shape[-1]
        noisy, source, present = torch.tensor_split(wide, (width, 2 * width), dim=-1)
        likely = present * torch.sigmoid(self.stays(self.norm(x)))
        mixed: Tensor = made + likely * (self.kept(noisy, source, t, condition) - made)
        return mixed

    def kept(self, noisy: Tensor, source: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Return the prediction for a source that stays, (rows, frames, latent_width); arguments as above."""
        of_noisy, of_source = self.shares(nn.functional.silu(condition))[:, None].chunk(2, -1)
        kept: Tensor = ((1 + of_noisy) * noisy - (1 + of_source) * source) / over_positions(t.clamp(min=LEAST), noisy)
        return kept


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
