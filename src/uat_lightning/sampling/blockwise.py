"""One block after another, from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor

from uat_lightning.sampling.canvas import Symbols
from uat_lightning.sampling.draft import Draft
from uat_lightning.sampling.evaluations import Evaluations, Logits
from uat_lightning.sampling.text_sampler import StepwiseSampler, TextSampler


class Blockwise(TextSampler):
    """Writes the canvas in blocks, each with another sampler (semi-autoregressive).

    Args:
        inner: Writes a block; its steps are those of one block.
        length: Positions of a block.
    """

    def __init__(self, inner: StepwiseSampler, length: int = 8) -> None:
        if length < 1:
            raise ValueError(f"length of a block must be at least 1, got {length}")
        self.inner, self.length = inner, length

    def sample(self, logits: Logits, canvas: Tensor, symbols: Symbols, generators: Sequence[Generator]) -> Tensor:
        """Fill the masked positions of canvases (rows, positions).

        Raises:
            ValueError: If the network's logits are not numbers.
        """
        known, draft = Evaluations(logits, symbols.mask), Draft.of(canvas, symbols, generators)
        block = torch.arange(canvas.shape[1], device=canvas.device) // self.length
        whole = draft.places
        for number in range(int(block[-1]) + 1):
            draft = self.inner.fill(known, replace(draft, places=whole & (block == number)))
        return draft.canvas
