"""The rules of the canvas: what may stand where, whichever sampler writes.

The end is written once, behind every written word; behind it all is padding, written for free; padding is written
nowhere else. So no caption is flooded by ends or padding, and none goes on behind its end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.text import Tokenizer


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


def allowed(log_probabilities: Tensor, canvas: Tensor, symbols: Symbols) -> Tensor:
    """Rule out banned ids everywhere, a second end, an end before a written word, and a canvas without an end.

    The last position holds nothing but the end. Probabilities are not renormalised: what the model thinks is padding
    counts as doubt about writing a word there.
    """
    scores = log_probabilities.clone()
    scores[..., symbols.banned] = -math.inf
    scores[..., symbols.end] = scores[..., symbols.end].masked_fill(~end_may_come(canvas, symbols), -math.inf)
    end = log_probabilities[:, -1, symbols.end]
    scores[:, -1] = -math.inf
    scores[:, -1, symbols.end] = end.clamp(min=-1e4)
    return scores


def allowed_at(log_probabilities: Tensor, canvas: Tensor, position: int, symbols: Symbols) -> Tensor:
    """Return what ``allowed`` does at one position, (rows, vocabulary), for log-probabilities of that shape."""
    scores = log_probabilities.clone()
    scores[:, symbols.banned] = -math.inf
    scores[~end_may_come(canvas, symbols)[:, position], symbols.end] = -math.inf
    if position == canvas.shape[1] - 1:
        end = log_probabilities[:, symbols.end].clamp(min=-1e4)
        scores = torch.full_like(scores, -math.inf)
        scores[:, symbols.end] = end
    return scores


def possible(log_probabilities: Tensor, canvas: Tensor, symbols: Symbols) -> Tensor:
    """Return what ``allowed`` does, and padding where the text may be over already.

    A sampler that draws must know this: forced to write a word wherever it looks, it would fill every canvas. Padding
    that is drawn is not written, it means that nothing happens there.
    """
    scores = allowed(log_probabilities, canvas, symbols)
    padding = log_probabilities[..., symbols.pad]
    scores[..., symbols.pad] = padding.masked_fill(~end_may_come(canvas, symbols), -math.inf)
    return scores


def end_may_come(canvas: Tensor, symbols: Symbols) -> Tensor:
    """Return True where the end can be, or be passed already: no word and no end is at or behind the position."""
    written = (canvas != symbols.mask) & (canvas != symbols.pad)
    return written.flip(-1).cumsum(-1).flip(-1) == 0


def after_end(canvas: Tensor, symbols: Symbols) -> Tensor:
    """Return True behind the first end, bool (rows, positions)."""
    ends = (canvas == symbols.end).long().cumsum(-1)
    return (ends - (canvas == symbols.end).long()) > 0


def without_conflict(chosen: Tensor, tokens: Tensor, priority: Tensor, symbols: Symbols) -> Tensor:
    """Drop what cannot be written together: several ends in one row, or words behind an end.

    Of several ends the first by priority stays. A word behind it that comes before it in priority speaks against the
    end, which is then left to a later step; otherwise the words behind it go. The first by priority always stays.

    Args:
        chosen: Where to write, bool (rows, positions).
        tokens: What to write, (rows, positions).
        priority: What comes first, larger is earlier, (rows, positions).
        symbols: The special ids.
    """
    ends = chosen & (tokens == symbols.end)
    best_end = priority.masked_fill(~ends, -math.inf).argmax(-1, keepdim=True)
    places = torch.arange(chosen.shape[1], device=chosen.device)
    words_behind = chosen & ~ends & (places > best_end)
    first_behind = priority.masked_fill(~words_behind, -math.inf).amax(-1, keepdim=True)
    keep_end = ends.any(-1, keepdim=True) & (priority.gather(1, best_end) >= first_behind)
    return (chosen & ~ends & ~(keep_end & (places > best_end))) | (keep_end & (places == best_end))
