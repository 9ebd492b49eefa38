"""VGGish (Hershey et al. 2017, arXiv 1609.09430): the embedder of the Frechet audio distance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from uat_lightning.metrics.embedders.base import AudioEmbedder

RATE = 16_000
WINDOW, HOP, TRANSFORM = 400, 160, 512  # samples: 25 ms, 10 ms, and what the window is padded to
BANDS, LOWEST, HIGHEST, OFFSET = 64, 125.0, 7500.0, 0.01
FRAMES = 96  # spectrogram frames of an example: 0.96 s
BATCH = 64  # examples at once


class VGGish(AudioEmbedder):
    """One vector of 128 for each 0.96 s, taken before the last rectifier, without PCA and without quantisation.

    As ``frechet_audio_distance``, ``audioldm_eval`` and ``torcheval`` take it. A clip's last part that fills no example
    is left out, but clips shorter than one are padded with silence to one. Samples are heard as they are: FAD of other
    levels is another FAD.

    Args:
        weights: A state dict in the layout of ``torchvggish`` (``features.0.weight`` to ``embeddings.4.bias``), as
            ``.safetensors`` or a ``.pth`` of tensors alone; other entries, such as the PCA's, are not used. Random
            weights where None.
    """

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.sample_rate, self.embedding_width = RATE, 128
        self.features = nn.Sequential(
            *_layer(1, 64), _half(), *_layer(64, 128), _half(), *_layer(128, 256), *_layer(256, 256), _half(),
            *_layer(256, 512), *_layer(512, 512), _half(),
        )  # fmt: skip
        sizes = (512 * (FRAMES // 16) * (BANDS // 16), 4096, 4096)
        rectified = [part for size in (0, 1) for part in (nn.Linear(sizes[size], sizes[size + 1]), nn.ReLU())]
        self.embeddings = nn.Sequential(*rectified, nn.Linear(4096, 128))
        if weights is not None:
            _load(self, Path(weights))
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def embed(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the vectors (examples, 128) of each mono waveform (samples,) at 16 kHz."""
        each = [examples(waveform.to(self.device)) for waveform in waveforms]
        together = torch.cat([torch.zeros(0, FRAMES, BANDS, device=self.device), *each])
        vectors = torch.cat([self(some) for some in torch.split(together, BATCH)])
        return list(torch.split(vectors, [len(some) for some in each]))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def forward(self, log_mels: Tensor) -> Tensor:
        """Return the vectors (examples, 128) of examples (examples, frames, bands)."""
        maps = self.features(log_mels[:, None])
        vectors: Tensor = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))  # channels last, as TensorFlow has them
        return vectors


def examples(waveform: Tensor) -> Tensor:
    """Return the log-mel examples (examples, 96, 64) of a mono waveform (samples,) at 16 kHz.

    Magnitudes of windows of 25 ms each 10 ms, 64 triangles in mel from 125 to 7500 Hz, the logarithm of their sum
    and 0.01, and 96 frames to an example, without overlap.
    """
    least = WINDOW + HOP * (FRAMES - 1)
    frames = nn.functional.pad(waveform.float(), (0, max(0, least - len(waveform)))).unfold(0, WINDOW, HOP)
    window = torch.hann_window(WINDOW, device=frames.device)
    magnitudes = torch.fft.rfft(frames * window, TRANSFORM).abs()
    log_mels = torch.log(magnitudes @ _triangles().to(frames.device) + OFFSET)
    whole = len(log_mels) // FRAMES
    return log_mels[: whole * FRAMES].reshape(whole, FRAMES, BANDS)


def _triangles() -> Tensor:
    """Return the weights (frequencies, bands); their sides are straight in mel, and not in Hz."""
    from transformers.audio_utils import mel_filter_bank  # a heavy import

    filters = mel_filter_bank(
        TRANSFORM // 2 + 1, BANDS, LOWEST, HIGHEST, RATE, mel_scale="kaldi", triangularize_in_mel_space=True
    )
    return torch.from_numpy(filters).float()


def _layer(inward: int, outward: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inward, outward, 3, padding=1), nn.ReLU()


def _half() -> nn.Module:
    return nn.MaxPool2d(2)


def _load(network: VGGish, file: Path) -> None:
    try:
        safe = file.suffix == ".safetensors"
        state = load_file(file) if safe else torch.load(file, map_location="cpu", weights_only=True)
        network.load_state_dict({name: state[name] for name in network.state_dict()})
    except KeyError as error:
        raise ValueError(f"{file} has no {error}: give VGGish weights in the layout of torchvggish") from error
    except Exception as error:  # what a damaged file raises depends on the file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{file} holds no VGGish weights: {reason}") from error
