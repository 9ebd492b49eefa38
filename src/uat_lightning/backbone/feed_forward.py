"""Stable Audio's gated feed-forward network."""

from __future__ import annotations

from torch import Tensor, nn


class GatedFeedForward(nn.Module):
    """SwiGLU with biases, values before gates (Shazeer 2020, arXiv 2002.05202).

    Args:
        width: Channels in and out.
        hidden: Channels inside.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.enter = nn.Linear(width, 2 * hidden)
        self.leave = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        value, gate = self.enter(x).chunk(2, dim=-1)
        out: Tensor = self.leave(value * nn.functional.silu(gate))
        return out


def start_at_zero(*layers: nn.Linear) -> None:
    """Set the weights of linear layers, and their biases where they have some, to zero."""
    for weight in (weight for layer in layers for weight in layer.parameters()):
        nn.init.zeros_(weight)
