"""Any Hugging Face tokenizer in the tokenizer's place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uat_lightning.text.base import Tokenizer

FOLDER = "tokenizer"


class HuggingFaceTokenizer(Tokenizer):
    """A tokenizer of the ``transformers`` library; mask, end and padding tokens are added where it has none.

    It is read when it is first needed, and a model folder keeps a copy: a saved model needs neither name nor network.

    Args:
        name: A folder, or a name on the Hugging Face hub.
        canvas: Token positions of a caption, its end token included.
    """

    def __init__(self, name: str, canvas: int = 48) -> None:
        self.name, self.canvas = name, canvas
        self._loaded: Any = None

    @property
    def _tokenizer(self) -> Any:  # noqa: ANN401
        if self._loaded is None:
            self._loaded = _read(self.name)
        return self._loaded

    @property
    def vocabulary_size(self) -> int:  # type: ignore[override]
        """Number of token ids, special tokens included."""
        return int(max(self._tokenizer.get_vocab().values())) + 1

    @property
    def mask_id(self) -> int:  # type: ignore[override]
        """The mask token."""
        return int(self._tokenizer.mask_token_id)

    @property
    def end_id(self) -> int:  # type: ignore[override]
        """The end token: the tokenizer's own end, or its separator."""
        return int(self._tokenizer.eos_token_id)

    @property
    def pad_id(self) -> int:  # type: ignore[override]
        """The padding token; never the end."""
        return int(self._tokenizer.pad_token_id)

    @property
    def banned_ids(self) -> list[int]:
        """All special tokens but the end, and ids that stand for nothing."""
        nothing = set(range(self.vocabulary_size)) - set(self._tokenizer.get_vocab().values())
        return sorted((nothing | {*self._tokenizer.all_special_ids}) - {self.end_id})

    def words(self, captions: Sequence[str]) -> list[list[int]]:
        """Return the ids of each caption, special tokens left out."""
        if not captions:  # the library fails on none
            return []
        return list(self._tokenizer(list(captions), add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def text(self, ids: Sequence[int]) -> str:
        """Return the caption of ids."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def save(self, folder: Path) -> None:
        """Write the tokenizer's own files into ``tokenizer/``."""
        self._tokenizer.save_pretrained(folder / FOLDER)

    def load(self, folder: Path) -> None:
        """Read the tokenizer's own files from ``tokenizer/``.

        Raises:
            ValueError: If the files are missing or damaged.
        """
        if not (folder / FOLDER).is_dir():
            raise ValueError(f"{folder / FOLDER} is missing")
        self._loaded = _read(str(folder / FOLDER))


def _read(name: str) -> Any:  # noqa: ANN401
    from transformers import AutoTokenizer  # a heavy import, needed by those who name such a tokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name)
    except Exception as error:  # what a damaged file raises depends on the file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{name} is missing or not a Hugging Face tokenizer: {reason}") from error
    end = tokenizer.eos_token or tokenizer.sep_token or "<end>"
    tokenizer.add_special_tokens(
        {
            "eos_token": end,
            "pad_token": tokenizer.pad_token if tokenizer.pad_token not in (None, end) else "<pad>",
            "mask_token": tokenizer.mask_token or "<mask>",
        }
    )
    return tokenizer
