"""What a backbone predicts: the audio's target, and words that are scored where somebody wants them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK = 2048  # positions whose logits are held at once in training: 260 MB in float32 for T5's 32 thousand tokens


@dataclass(frozen=True)
class TextPrediction:
    """Text states from which logits are made where they are wanted.

    A vocabulary has many more tokens than a stream has channels, and training asks for the hidden positions only.

    Args:
        states: Text states (rows, tokens, width).
        project: Maps states (..., width) to logits (..., vocabulary_size).
    """

    states: Tensor
    project: Callable[[Tensor], Tensor]

    @classmethod
    def of(cls, logits: Tensor) -> TextPrediction:
        """Return logits (rows, tokens, vocabulary_size) as a prediction."""
        return cls(logits, torch.nn.Identity())

    def logits(self) -> Tensor:
        """Return the logits of every position, (rows, tokens, vocabulary_size)."""
        return self.project(self.states)

    def at(self, where: Tensor) -> Tensor:
        """Return the logits of the positions marked in ``where``, bool (rows, tokens): (marked, vocabulary_size)."""
        return self.project(self.states[where])

    def nats(self, tokens: Tensor, where: Tensor, chunk: int = CHUNK) -> Tensor:
        """Return the cross-entropy at the positions marked in ``where``, and zero elsewhere, float (rows, tokens).

        The logits of no more than ``chunk`` positions exist at a time; the backward pass makes them anew.

        Args:
            tokens: The right token ids, int64 (rows, tokens).
            where: The positions to score, bool (rows, tokens).
            chunk: Positions at a time.
        """
        places = where.flatten().nonzero()[:, 0]  # looked up once: on a GPU the host waits for it
        states, asked = self.states.flatten(0, 1)[places], tokens.flatten()[places]
        parts = zip(torch.split(states, chunk), torch.split(asked, chunk), strict=True)
        nats = torch.cat([self._made_anew(*part) for part in parts])
        return nats.new_zeros(tokens.numel()).index_copy(0, places, nats).view(tokens.shape)

    def _made_anew(self, states: Tensor, tokens: Tensor) -> Tensor:
        nats: Tensor = checkpoint(self._cross_entropy, states, tokens, use_reentrant=False, preserve_rng_state=False)
        return nats

    def _cross_entropy(self, states: Tensor, tokens: Tensor) -> Tensor:
        logits = self.project(states)
        exact = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision is too coarse for a sum
        return torch.nn.functional.cross_entropy(exact, tokens, reduction="none")


class Prediction(NamedTuple):
    """A backbone's prediction for both modalities, in this order.

    Args:
        audio: The audio's target, (rows, frames, latent_width).
        text: The words.
    """

    audio: Tensor
    text: TextPrediction
