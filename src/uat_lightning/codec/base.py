"""The codec's contract: waveforms to latents and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from uat_lightning.configurable import Configurable

CODEC = "codec.safetensors"  # its name in a folder


class Codec(Configurable, nn.Module, ABC):
    """Turns waveforms into normalised latents and back.

    Attributes:
        sample_rate: Samples per second of the waveforms, in Hz.
        channels: Channels of the waveforms: 1 mono, 2 stereo.
        hop: Samples per latent frame.
        latent_width: Channels of a latent frame.
    """

    sample_rate: int
    channels: int
    hop: int
    latent_width: int

    @property
    def frames_per_second(self) -> float:
        """Latent frames per second of audio."""
        return self.sample_rate / self.hop

    @property
    def fitted(self) -> bool:
        """Whether the codec is ready to encode; codecs with statistics of the data say False until they have them."""
        return True

    def fit(self, waveforms: Tensor) -> None:
        """Take what the codec needs from training data; nothing by default.

        Args:
            waveforms: Audio of shape (clips, channels, samples) in [-1, 1].
        """

    def frames(self, samples: int) -> int:
        """Return the latent frames of a waveform of so many samples, at least 1."""
        return max(1, -(-samples // self.hop))

    def samples(self, seconds: float) -> int:
        """Return the samples of so many seconds."""
        return round(seconds * self.sample_rate)

    @abstractmethod
    def encode(self, waveforms: Tensor) -> Tensor:
        """Encode waveforms of shape (rows, channels, samples) to latents (rows, frames(samples), latent_width)."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (rows, frames, latent_width) to waveforms (rows, channels, frames * hop)."""

    def save(self, file: Path) -> None:
        """Write the codec's tensors to a safetensors file."""
        save_model(self, str(file))

    def load(self, file: Path) -> None:
        """Read the codec's tensors from a safetensors file.

        Raises:
            RuntimeError: If names or shapes are not this codec's.
        """
        load_model(self, str(file))
