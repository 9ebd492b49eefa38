"""The two ends of the backbone: hidden states to velocity, hidden states to words."""

from __future__ import annotations

from torch import Tensor, nn

from uat_lightning.backbone.modulation import Modulation
from uat_lightning.backbone.prediction import TextPrediction


class AudioHead(nn.Module):
    """Modulated norm and a projection to latents; predicts zero at initialisation.

    Args:
        width: Channels of the stream.
        latent_width: Channels of the latents.
    """

    def __init__(self, width: int, latent_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = Modulation(width, sublayers=1)
        self.project = nn.Linear(width, latent_width)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map hidden states (rows, frames, width) to (rows, frames, latent_width)."""
        (how,) = self.modulation(condition)
        out: Tensor = self.project(how.enter(self.norm(x)))
        return out


class TextHead(nn.Module):
    """Norm and a projection to the vocabulary.

    Args:
        width: Channels of the stream.
        vocabulary_size: Token ids.
    """

    def __init__(self, width: int, vocabulary_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, vocabulary_size)

    def forward(self, x: Tensor) -> TextPrediction:
        """Return hidden states (rows, tokens, width) as a prediction of (rows, tokens, vocabulary_size) logits."""
        return TextPrediction(self.norm(x), self.project)
