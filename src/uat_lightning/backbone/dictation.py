"""Text that grows from left to right beside audio that stays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.backbone.one_sided import OneSided
from uat_lightning.backbone.prediction import TextPrediction
from uat_lightning.backbone.stream import Memory
from uat_lightning.types import Sequences

GoOn = Callable[[Tensor, "Past"], tuple[TextPrediction, list[Memory]]]


class Dictation(ABC):
    """Takes tokens as they come, and tells what is predicted at each of them."""

    @abstractmethod
    def follow(self, tokens: Tensor) -> TextPrediction:
        """Return the prediction at more tokens, which come after all that were given before.

        Args:
            tokens: Token ids (rows, more).

        Returns:
            The prediction at those, whose logits are (rows, more, vocabulary_size).
        """


class ReadAgain(Dictation):
    """Reads the whole text anew with every token.

    Args:
        given: The words beside the audio.
        rows: Number of rows.
        device: Where they are.
    """

    def __init__(self, given: OneSided[TextPrediction], rows: int, device: torch.device) -> None:
        self.given, self.said = given, torch.zeros(rows, 0, dtype=torch.int64, device=device)

    def follow(self, tokens: Tensor) -> TextPrediction:
        """Read everything again, and return the prediction at the new tokens."""
        self.said = torch.cat([self.said, tokens], dim=1)
        rows, count = self.said.shape
        lengths = torch.full((rows,), count, device=tokens.device)
        predicted = self.given(Sequences(self.said, lengths), torch.ones(rows, device=tokens.device))
        return TextPrediction(predicted.states[:, -tokens.shape[1] :], predicted.project)


@dataclass(frozen=True)
class Past:
    """What is read by tokens to come: the audio, and the tokens before them.

    Args:
        memories: Keys and values in every block.
        mask: True where they may be read, bool (rows, keys).
        count: Tokens among them.
    """

    memories: Sequence[Memory]
    mask: Tensor
    count: int = 0

    def with_tokens(self, more: Sequence[Memory]) -> Past:
        """Return this and the keys and values of further tokens."""
        memories = [old.followed_by(new) for old, new in zip(self.memories, more, strict=True)]
        rows, count = len(self.mask), more[0].key.shape[2]
        return Past(memories, torch.cat([self.mask, self.mask.new_ones(rows, count)], dim=1), self.count + count)


class Cached(Dictation):
    """Computes every token once: its keys and values are kept for those that follow.

    Args:
        go_on: Returns the prediction at further tokens under a past, and their keys and values in every block.
        past: What was there before the first token: the audio.
    """

    def __init__(self, go_on: GoOn, past: Past) -> None:
        self.go_on, self.past = go_on, past

    def follow(self, tokens: Tensor) -> TextPrediction:
        """Compute the new tokens alone."""
        predicted, memories = self.go_on(tokens, self.past)
        self.past = self.past.with_tokens(memories)
        return predicted
