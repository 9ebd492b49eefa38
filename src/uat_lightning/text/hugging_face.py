"""Any Hugging Face tokenizer in the tokenizer's place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uat_lightning.text.base import Tokenizer

FOLDER = "tokenizer"


class HuggingFaceTokenizer(Tokenizer):
    """A tokenizer of the ``transformers`` library; mask, end and padding tokens are added where it has none.

    Args:
        name: A folder, or a name on the Hugging Face hub.
        canvas: Token positions of a caption, its end token included.
    """

    def __init__(self, name: str, canvas: int = 48) -> None:
        self.name, self.canvas = name, canvas
        self._load(name)

    def _load(self, name: str) -> None:
        from transformers import AutoTokenizer  # a heavy import, needed by those who name such a tokenizer

        tokenizer: Any = AutoTokenizer.from_pretrained(name)
        end = tokenizer.eos_token or tokenizer.sep_token or "<end>"
        tokenizer.add_special_tokens(
            {
                "eos_token": end,
                "pad_token": tokenizer.pad_token if tokenizer.pad_token not in (None, end) else "<pad>",
                "mask_token": tokenizer.mask_token or "<mask>",
            }
        )
        self._tokenizer = tokenizer
        self.vocabulary_size = len(tokenizer)
        self.mask_id, self.end_id = tokenizer.mask_token_id, tokenizer.eos_token_id
        self.pad_id = tokenizer.pad_token_id

    @property
    def banned_ids(self) -> list[int]:
        """All special tokens but the end."""
        return sorted({*self._tokenizer.all_special_ids} - {self.end_id})

    def words(self, captions: Sequence[str]) -> list[list[int]]:
        """Return the ids of each caption, special tokens left out."""
        return list(self._tokenizer(list(captions), add_special_tokens=False)["input_ids"])

    def text(self, ids: Sequence[int]) -> str:
        """Return the caption of ids."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def save(self, folder: Path) -> None:
        """Write the tokenizer's own files into ``tokenizer/``."""
        self._tokenizer.save_pretrained(folder / FOLDER)

    def load(self, folder: Path) -> None:
        """Read the tokenizer's own files from ``tokenizer/``.

        Raises:
            ValueError: If the files are missing.
        """
        if not (folder / FOLDER).is_dir():
            raise ValueError(f"{folder / FOLDER} is missing")
        self._load(str(folder / FOLDER))
