"""A second condition of the audio: the latents that it is to be an edit of, channel by channel beside the noisy ones.

Wherever a backbone takes noisy latents, it then takes wider ones as well: (rows, frames, 2 latent_width + 1), the noisy
channels, the source's, and one that is 1 where there is a source. Without a source the further channels are zeros, or
are left out, and contribute nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uat_lightning.backbone.feed_forward import start_at_zero
from uat_lightning.configurable import Configurable
from uat_lightning.types import Sequences


class SourceLatents(Configurable):
    """Lets a backbone see a source: names the layers through which it enters the audio stream and the prediction.

    Either layer starts at zero: a network that knows no edits yet does what it did before.
    """

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


def beside(noisy: Sequences, source: Sequences, seen: Tensor | None = None) -> Sequences:
    """Return noisy latents with a source's channels, (rows, frames, 2 channels + 1).

    Args:
        noisy: Latents (rows, frames, channels).
        source: Latents of as many rows, of length 0 where there is none; padding beyond the noisy frames is cut.
        seen: Which rows may see theirs, bool (rows,); all where None.
    """
    frames = noisy.values.shape[1]
    present = source.mask if seen is None else source.mask & seen[:, None]
    filled = source.values.masked_fill(~present[..., None], 0)  # not times: padding may hold anything
    channels = torch.cat([filled, present[..., None].to(filled)], dim=-1)[:, :frames]
    channels = nn.functional.pad(channels, (0, 0, 0, frames - channels.shape[1]))
    return Sequences(torch.cat([noisy.values, channels], dim=-1), noisy.lengths)


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
