"""A second condition of the audio: the latents that it is to be an edit of, channel by channel beside the noisy ones.

Wherever a backbone takes noisy latents, it then takes wider ones as well: (rows, frames, 2 latent_width + 1), the noisy
channels, the source's, and one that is 1 where there is a source. Without a source the further channels are zeros, or
are left out, and contribute nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from uat_lightning.configurable import Configurable
from uat_lightning.types import Sequences


class SourceLatents(Configurable):
    """Lets a backbone see a source: names the layer through which it enters the audio stream.

    The layer is linear, without bias, and its output is added to that of the layer through which noisy latents enter.
    This equals one layer over the concatenated channels (InstructPix2Pix, arXiv 2211.09800, section 3.2), whose new
    weights start at zero: a network that knows no edits yet does what it did before.
    """

    def entrance(self, latent_width: int, width: int) -> nn.Linear:
        """Return the layer from the source's channels and the one that tells its presence, (2 of them + 1) to width.

        Args:
            latent_width: Channels of the audio latents.
            width: Channels of the audio stream.
        """
        layer = nn.Linear(latent_width + 1, width, bias=False)
        nn.init.zeros_(layer.weight)
        return layer


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


def entered(
    values: Tensor, latent_width: int, enter: Callable[[Tensor], Tensor], source_in: nn.Module | None
) -> Tensor:
    """Return the first state of an audio stream, (rows, frames, width).

    Args:
        values: Noisy latents, with a source's channels or without.
        latent_width: Channels of the noisy latents alone.
        enter: The layer of the noisy latents.
        source_in: The layer of the source's channels; None where the backbone takes none.

    Raises:
        ValueError: If there is a source and no layer for it.
    """
    states = enter(values[..., :latent_width])
    if source_in is None:
        if values.shape[-1] != latent_width:
            raise ValueError(
                f"{values.shape[-1]} channels of latents, not {latent_width}: the backbone takes no source"
            )
        return states
    # Zeros, and not nothing, where no row has a source: every weight has a gradient on every rank.
    channels = nn.functional.pad(values[..., latent_width:], (0, 2 * latent_width + 1 - values.shape[-1]))
    edited: Tensor = states + source_in(channels)
    return edited
