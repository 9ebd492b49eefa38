"""The autoencoder of Stable Audio and AudioX (Evans et al. 2024, arXiv 2407.14358), through diffusers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from uat_lightning.codec.base import Codec

FIT_CLIPS = 256  # clips that statistics are taken from


class OobleckCodec(Codec):
    """Means of a frozen Oobleck autoencoder's latents, normalised.

    With a pretrained model the arguments below it are that model's. A saved codec holds its weights: rebuilding it
    takes neither the pretrained folder nor the network.

    Args:
        pretrained: A folder or a name on the Hugging Face hub; random weights where None.
        subfolder: Folder of the autoencoder inside it, such as ``vae`` in ``stabilityai/stable-audio-open-1.0``.
        scale: What all latents are divided by: 1 leaves them as the models trained on them know them. Each channel's
            own mean and deviation, taken from the training data, where None.
        sample_rate: Samples per second, in Hz.
        channels: Channels of the waveforms.
        latent_width: Channels of a latent frame; the encoder begins with twice as many.
        decoder_width: Channels of the decoder's last layer.
        strides: Downsampling of each block; their product is the hop.
        multiples: Width of each block, in multiples of the first.
        origin: What the weights are, for the record; written by the codec.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        pretrained: str | None = None,
        subfolder: str = "",
        scale: float | None = None,
        sample_rate: int = 44_100,
        channels: int = 2,
        latent_width: int = 64,
        decoder_width: int = 128,
        strides: tuple[int, ...] = (2, 4, 4, 8, 8),
        multiples: tuple[int, ...] = (1, 2, 4, 8, 16),
        origin: str = "random weights",
    ) -> None:
        super().__init__()
        if pretrained is None:
            names = ("sample_rate", "channels", "latent_width", "decoder_width", "strides", "multiples")
            self.autoencoder = _random({name: self.init_args[name] for name in names})
        else:
            self.autoencoder = _pretrained(pretrained, subfolder)
            origin = f"{pretrained} {subfolder} sha256 {_digest(self.autoencoder)}"
        self.autoencoder.requires_grad_(False).eval()
        self.scale = scale
        self.init_args = {"scale": scale, "origin": origin, **_arguments(self.autoencoder.config)}
        self.sample_rate, self.channels = self.init_args["sample_rate"], self.init_args["channels"]
        self.latent_width, self.hop = self.init_args["latent_width"], math.prod(self.init_args["strides"])
        self.register_buffer("mean", torch.zeros(self.latent_width))
        self.register_buffer("deviation", torch.full((self.latent_width,), scale or 1.0))

    @property
    def fitted(self) -> bool:
        """Whether the scale is given or the statistics are known."""
        return self.scale is not None or bool((self.deviation != 1).any())

    @torch.no_grad()
    def fit(self, waveforms: Tensor) -> None:
        """Take each channel's mean and deviation over at most 256 of the clips, spread evenly; nothing with a scale.

        Args:
            waveforms: Audio of shape (clips, channels, samples) in [-1, 1].
        """
        if self.scale is not None:
            return
        chosen = torch.linspace(0, len(waveforms) - 1, min(len(waveforms), FIT_CLIPS)).long()
        latents = self._latents(waveforms[chosen]).flatten(0, 1).double()
        self.mean.copy_(latents.mean(0))
        self.deviation.copy_(latents.std(0, correction=0).clamp(min=1e-4))

    @torch.no_grad()
    def encode(self, waveforms: Tensor) -> Tensor:
        """Encode audio of shape (rows, channels, samples) to latents (rows, frames, latent_width)."""
        return (self._latents(waveforms) - self.mean) / self.deviation

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (rows, frames, latent_width) to audio (rows, channels, frames * hop)."""
        raw = (latents * self.deviation + self.mean).mT
        samples = latents.shape[1] * self.hop
        return torch.cat([_exactly(self.autoencoder.decode(row[None]).sample, samples) for row in raw])

    def _latents(self, waveforms: Tensor) -> Tensor:
        """Return the autoencoder's own latents (rows, frames, latent_width); one row at a time, to save memory."""
        padded = _exactly(waveforms, self.frames(waveforms.shape[-1]) * self.hop)
        return torch.cat([self.autoencoder.encode(row[None]).latent_dist.mode().mT for row in padded])


def _random(arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401
    from diffusers import AutoencoderOobleck

    return AutoencoderOobleck(
        encoder_hidden_size=2 * arguments["latent_width"],  # a mean and a deviation of each channel
        downsampling_ratios=list(arguments["strides"]),
        channel_multiples=list(arguments["multiples"]),
        decoder_channels=arguments["decoder_width"],
        decoder_input_channels=arguments["latent_width"],
        audio_channels=arguments["channels"],
        sampling_rate=arguments["sample_rate"],
    )


def _arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constructor's arguments of an autoencoder's config."""
    return {
        "sample_rate": config["sampling_rate"],
        "channels": config["audio_channels"],
        "latent_width": config["decoder_input_channels"],
        "decoder_width": config["decoder_channels"],
        "strides": list(config["downsampling_ratios"]),
        "multiples": list(config["channel_multiples"]),
    }


def _pretrained(name: str, subfolder: str) -> Any:  # noqa: ANN401
    from diffusers import AutoencoderOobleck

    try:
        return AutoencoderOobleck.from_pretrained(
            name, subfolder=subfolder or None, use_safetensors=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{name} {subfolder} holds no Oobleck autoencoder in safetensors: {reason}") from error


def _digest(module: torch.nn.Module) -> str:
    """Return 16 hexadecimal digits of the weights."""
    digest = hashlib.sha256()
    for name, values in sorted(module.state_dict().items()):
        digest.update(name.encode() + values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _exactly(waveforms: Tensor, samples: int) -> Tensor:
    """Cut waveforms to so many samples, or fill them up with silence."""
    return torch.nn.functional.pad(waveforms, (0, samples - waveforms.shape[-1]))
