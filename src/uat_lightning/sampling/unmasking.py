"""Samplers of masked diffusion: in which order a canvas of masks becomes a caption."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from uat_lightning.text import Tokenizer

Logits = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Symbols:
    """The ids that unmasking must know.

    Args:
        mask: Stands for a hidden token.
        end: Follows the last word.
        pad: Fills the canvas after the end.
        banned: Ids never written, padding and mask among them.
    """

    mask: int
    end: int
    pad: int
    banned: list[int]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Symbols:
        """Return a tokenizer's symbols."""
        return cls(tokenizer.mask_id, tokenizer.end_id, tokenizer.pad_id, tokenizer.banned_ids)


class TextSampler(ABC):
    """Writes captions onto canvases."""

    @abstractmethod
    def sample(self, logits: Logits, canvas: Tensor, symbols: Symbols, generators: Sequence[Generator]) -> Tensor:
        """Fill the masked positions.

        Args:
            logits: Log-probabilities (rows, positions, vocabulary) as a function of the canvas.
            canvas: Token ids (rows, positions), masked where to write.
            symbols: The special ids.
            generators: One source of randomness per row, so that a row does not depend on its neighbours.
        """


class ConfidenceOrder(TextSampler):
    """Commits the most certain tokens first, an even share of what is left at each step.

    Once the end is written, everything after it is padding and costs nothing. The end may only be written behind all
    words, and words only before it.

    Args:
        steps: Evaluations of the network to aim at; at least one token is written at each. The end of a short
            caption frees the rest of the canvas, so that fewer are needed.
        temperature: 0 writes the likeliest token; above 0 adds Gumbel noise (drawn in float64).
    """

    def __init__(self, steps: int = 16, temperature: float = 0.0) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        if temperature < 0:
            raise ValueError(f"temperature must not be negative, got {temperature}")
        self.steps, self.temperature = steps, temperature

    def sample(self, logits: Logits, canvas: Tensor, symbols: Symbols, generators: Sequence[Generator]) -> Tensor:
        """Fill the masked positions of canvases (rows, positions).

        Raises:
            ValueError: If the network's logits are not numbers.
        """
        step = 0
        while bool((masked := canvas == symbols.mask).any()):
            scores = allowed(logits(canvas), canvas, symbols)
            tokens, confidence = self._choose(scores, generators)
            share = torch.ceil(masked.sum(-1) / max(1, self.steps - step)).long()
            step += 1
            canvas = commit(canvas, tokens, confidence.masked_fill(~masked, -math.inf), share, symbols)
            if bool((canvas == symbols.mask).sum() == masked.sum()):
                raise ValueError("no token can be chosen: the network's logits are NaN or minus infinity")
        return canvas

    def _choose(self, scores: Tensor, generators: Sequence[Generator]) -> tuple[Tensor, Tensor]:
        """Return a token for every position and the log-probability it has."""
        noisy = scores
        if self.temperature > 0:
            uniform = torch.stack([torch.rand(scores.shape[1:], generator=g, dtype=torch.float64) for g in generators])
            noisy = scores.double() - self.temperature * torch.log(-torch.log(uniform.to(scores.device)))
        tokens = noisy.argmax(-1)
        return tokens, scores.gather(-1, tokens[..., None])[..., 0]


def allowed(log_probabilities: Tensor, canvas: Tensor, symbols: Symbols) -> Tensor:
    """Rule out banned ids everywhere, the end before a written word, and forbid a canvas without an end.

    The last position holds nothing but the end. Probabilities are not renormalised: what the model thinks is padding
    counts as doubt about writing a word there.
    """
    scores = log_probabilities.clone()
    scores[..., symbols.banned] = -math.inf
    written = (canvas != symbols.mask) & (canvas != symbols.end) & (canvas != symbols.pad)
    word_after = written.flip(-1).cumsum(-1).flip(-1) > 0
    scores[..., symbols.end] = scores[..., symbols.end].masked_fill(word_after, -math.inf)
    end = scores[:, -1, symbols.end].clone()
    scores[:, -1] = -math.inf
    scores[:, -1, symbols.end] = end.clamp(min=-1e4)
    return scores


def commit(canvas: Tensor, tokens: Tensor, confidence: Tensor, share: Tensor, symbols: Symbols) -> Tensor:
    """Write each row's ``share`` most confident tokens, then close the canvas behind an end.

    Where several positions of a step would be the end, only the most confident is, and no word of the same step is
    written behind it.
    """
    rank = confidence.argsort(dim=-1, descending=True, stable=True).argsort(-1)
    chosen = (rank < share[:, None]) & confidence.isfinite()
    ends = chosen & (tokens == symbols.end)
    best_end = confidence.masked_fill(~ends, -math.inf).argmax(-1, keepdim=True)
    places = torch.arange(canvas.shape[1], device=canvas.device)
    has_end = ends.any(-1, keepdim=True)
    word_behind = chosen & ~ends & (places > best_end)
    # A word that is surer than the end speaks against the end; the end is then left to a later step.
    surest_behind = confidence.masked_fill(~word_behind, -math.inf).amax(-1, keepdim=True)
    keep_end = has_end & (confidence.gather(1, best_end) >= surest_behind)
    chosen &= ~ends & ~(keep_end & (places > best_end)) | (keep_end & (places == best_end))
    canvas = torch.where(chosen, tokens, canvas)
    return torch.where(after_end(canvas, symbols), symbols.pad, canvas)


def after_end(canvas: Tensor, symbols: Symbols) -> Tensor:
    """Return True behind the first end, bool (rows, positions)."""
    ends = (canvas == symbols.end).long().cumsum(-1)
    return (ends - (canvas == symbols.end).long()) > 0
