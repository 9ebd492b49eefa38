"""What audio frames learn of their neighbours before the first block."""

from __future__ import annotations

from torch import Tensor, nn


class ConvolutionalStem(nn.Module):
    """Adds what a short convolution over frames sees; sounds are local before they are events.

    Args:
        width: Channels of the stream, a multiple of 4.
        kernel: Frames it sees at once, odd.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        if kernel % 2 == 0 or width % 4:
            raise ValueError(f"a stem needs an odd kernel and a width that 4 divides, got {kernel} and {width}")
        self.convolve = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=4)
        self.leave = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Update frames (rows, frames, width); those outside of the mask, bool (rows, frames), are not heard."""
        heard = self.convolve((x * mask[..., None]).mT).mT
        out: Tensor = x + self.leave(nn.functional.gelu(heard))
        return out
