"""The tokenizer's contract: captions to a short canvas of token ids and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch

from uat_lightning.configurable import Configurable
from uat_lightning.tensors import pad_rows
from uat_lightning.text_encoder import TextEncoder
from uat_lightning.types import Sequences

__all__ = ["TextEncoder", "Tokenizer"]  # backbones take encoders, so that contract stands on the ground floor


class Tokenizer(Configurable, ABC):
    """Turns captions into token ids and back.

    Attributes:
        canvas: Token positions of a caption, its end token included.
        vocabulary_size: Number of token ids, special tokens included.
        mask_id: Stands for a hidden token; never part of a caption.
        end_id: Follows the last word.
        pad_id: Fills the canvas after the end.
    """

    canvas: int
    vocabulary_size: int
    mask_id: int
    end_id: int
    pad_id: int

    @property
    def fitted(self) -> bool:
        """Whether the tokenizer has a vocabulary."""
        return True

    def fit(self, captions: Sequence[str]) -> None:
        """Learn the vocabulary from training captions; nothing where it is given."""

    @property
    @abstractmethod
    def banned_ids(self) -> list[int]:
        """Ids that a caption never holds; the end is not among them."""

    @abstractmethod
    def words(self, captions: Sequence[str]) -> list[list[int]]:
        """Return the ids of each caption, special tokens left out."""

    @abstractmethod
    def text(self, ids: Sequence[int]) -> str:
        """Return the caption of ids without special tokens."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the vocabulary into a folder."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read the vocabulary from a folder.

        Raises:
            ValueError: If the vocabulary is missing or not one of this tokenizer's.
        """

    def encode(self, captions: Sequence[str]) -> Sequences:
        """Return the canvases of captions: ids (rows, canvas), padded; a length counts the words and the end.

        A caption longer than the canvas loses its last words; ``overlong`` tells.
        """
        rows = [torch.tensor([*ids[: self.canvas - 1], self.end_id]) for ids in self.words(captions)]
        _, lengths = pad_rows(rows)
        rows.append(torch.zeros(self.canvas, dtype=torch.int64))  # makes the stack as wide as the canvas
        return Sequences(pad_rows(rows, self.pad_id)[0][:-1], lengths)

    def overlong(self, captions: Sequence[str]) -> list[int]:
        """Return how many tokens of each caption do not fit the canvas."""
        return [max(0, len(ids) - (self.canvas - 1)) for ids in self.words(captions)]

    def shortened(self, caption: str) -> str:
        """Return a caption without the last words that do not fit the canvas.

        Even what was decoded from a canvas may not fit one: a model can write words in more pieces than they need, and
        pieces that only read together are others.
        """
        words = caption.split()
        while words and self.overlong([" ".join(words)])[0]:
            words.pop()
        return caption if len(words) == len(caption.split()) else " ".join(words)

    def decode(self, canvases: torch.Tensor) -> list[str]:
        """Return the caption of each canvas (rows, canvas): what stands before the first end or padding token."""
        return [self.text(self._before_end(row)) for row in canvases.tolist()]

    def _before_end(self, ids: list[int]) -> list[int]:
        stops = [place for place, token in enumerate(ids) if token in (self.end_id, self.pad_id)]
        return [token for token in ids[: min(stops, default=len(ids))] if token != self.mask_id]
