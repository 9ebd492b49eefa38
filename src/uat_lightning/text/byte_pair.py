"""A byte-pair tokenizer trained on the training captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from uat_lightning.text.base import Tokenizer

SPECIAL = ("<pad>", "<end>", "<mask>", "<unknown>")
FILE = "tokenizer.json"


class BytePairTokenizer(Tokenizer):
    """Byte-pair encoding learned from the training captions, lower case, without accents.

    Args:
        canvas: Token positions of a caption, its end token included.
        vocabulary_size: Upper bound of the vocabulary, special tokens included.
    """

    def __init__(self, canvas: int = 32, vocabulary_size: int = 512) -> None:
        self.canvas, self.vocabulary_size = canvas, vocabulary_size
        self.pad_id, self.end_id, self.mask_id, self.unknown_id = range(4)
        self._tokenizer: FastTokenizer | None = None

    @property
    def fitted(self) -> bool:
        """Whether the merges are known."""
        return self._tokenizer is not None

    @property
    def banned_ids(self) -> list[int]:
        """Padding, mask and unknown, and ids beyond the vocabulary that training found."""
        return [self.pad_id, self.mask_id, self.unknown_id, *range(self._fast.get_vocab_size(), self.vocabulary_size)]

    @property
    def _fast(self) -> FastTokenizer:
        if self._tokenizer is None:
            raise RuntimeError("the tokenizer has no vocabulary yet: fit it on captions or load it from a model folder")
        return self._tokenizer

    def fit(self, captions: Sequence[str]) -> None:
        """Learn the merges from captions.

        Raises:
            ValueError: If there is no caption with a word in it.
        """
        if not any(caption.strip() for caption in captions):
            raise ValueError("no captions to learn a vocabulary from")
        fast = FastTokenizer(models.BPE(unk_token=SPECIAL[3], end_of_word_suffix="</w>"))
        fast.normalizer = normalizers.Sequence(
            [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()]
        )
        fast.pre_tokenizer = pre_tokenizers.Whitespace()
        fast.decoder = decoders.BPEDecoder(suffix="</w>")
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocabulary_size,
            special_tokens=list(SPECIAL),
            end_of_word_suffix="</w>",
            show_progress=False,
        )
        fast.train_from_iterator(captions, trainer)
        self._tokenizer = fast

    def words(self, captions: Sequence[str]) -> list[list[int]]:
        """Return the ids of each caption, special tokens left out."""
        return [encoding.ids for encoding in self._fast.encode_batch(list(captions), add_special_tokens=False)]

    def text(self, ids: Sequence[int]) -> str:
        """Return the caption of ids; commas close up to the word before them."""
        return str(self._fast.decode(list(ids))).replace(" ,", ",").strip()

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``."""
        self._fast.save(str(folder / FILE))

    def load(self, folder: Path) -> None:
        """Read ``tokenizer.json``.

        Raises:
            ValueError: If the file is missing, is no tokenizer, or lacks the special tokens.
        """
        try:
            fast = FastTokenizer.from_file(str(folder / FILE))
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"{folder / FILE} is missing or not a tokenizer: {error}") from error
        if [fast.id_to_token(i) for i in range(len(SPECIAL))] != list(SPECIAL):
            raise ValueError(f"{folder / FILE} lacks the special tokens {', '.join(SPECIAL)}")
        self._tokenizer = fast
