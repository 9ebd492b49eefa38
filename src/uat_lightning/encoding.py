"""The LightningModule of encoding: a codec that turns clips into latents, on any device, and nothing that learns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray

from uat_lightning.codec import Codec
from uat_lightning.data.shards.stretches import Heard, Stretch


class Encoding(LightningModule):
    """Encodes stretches of clips in ``Trainer.predict``.

    Only clips of equal length go through the codec together: padding would reach back into the last frames of a codec
    with a wide view. What goes together depends on the stretch alone, never on the number of processes.

    Args:
        codec: The codec.
        samples_at_once: Samples of a channel that go through the codec at once, unless one clip has more.
    """

    def __init__(self, codec: Codec, samples_at_once: int = 1 << 23) -> None:
        super().__init__()
        self.codec, self.samples_at_once = codec.eval(), samples_at_once

    def predict_step(self, batch: Stretch) -> list[NDArray[np.float32]]:
        """Return the latents (frames, channels) of what is heard in a stretch, in its order."""
        found: dict[int, NDArray[np.float32]] = {}
        for places in self._together(batch.heard):
            latents = self.codec.encode(torch.stack([batch.heard[place].waveform for place in places]))
            found.update(zip(places, latents.float().cpu().numpy(), strict=True))
        return [found[place] for place in range(len(batch.heard))]

    def _together(self, heard: tuple[Heard, ...]) -> Iterator[list[int]]:
        """Yield the places of clips of equal length, as many as may be encoded at once."""
        lengths: dict[int, list[int]] = {}
        for place, each in enumerate(heard):
            lengths.setdefault(each.waveform.shape[1], []).append(place)
        for samples, places in lengths.items():
            rows = max(1, self.samples_at_once // samples)
            yield from (places[first : first + rows] for first in range(0, len(places), rows))
