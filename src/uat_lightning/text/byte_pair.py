"""A byte-pair tokenizer trained on the training captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as FastTokenizer

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
        """Learn the merges from captions; the same captions always give the same merges.

        Raises:
            ValueError: If there is no caption with a word in it, or the vocabulary cannot hold their characters.
        """
        if not any(caption.strip() for caption in captions):
            raise ValueError("no captions to learn a vocabulary from")
        fast = FastTokenizer(models.BPE(unk_token=SPECIAL[3]))
        fast.normalizer = normalizers.Sequence(
            [
                normalizers.NFD(),
                normalizers.StripAccents(),
                normalizers.Lowercase(),
                normalizers.Strip(),
                normalizers.Replace(Regex(r"\s+"), " "),
            ]
        )
        # A mark of the space before a word, not of a word's end: the trainer numbers end marks in random order.
        fast.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
        fast.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocabulary_size, special_tokens=list(SPECIAL), show_progress=False
        )
        fast.train_from_iterator(captions, trainer)
        if fast.get_vocab_size() > self.vocabulary_size:
            raise ValueError(
                f"the captions hold {fast.get_vocab_size() - len(SPECIAL)} different characters, "
                f"too many for a vocabulary of {self.vocabulary_size}: raise vocabulary_size"
            )
        self._keep(fast)

    def _keep(self, fast: FastTokenizer) -> None:
        fast.encode_special_tokens = True  # a caption that spells "<mask>" is words
        self._tokenizer = fast

    def words(self, captions: Sequence[str]) -> list[list[int]]:
        """Return the ids of each caption, special tokens left out."""
        return [encoding.ids for encoding in self._fast.encode_batch(list(captions), add_special_tokens=False)]

    def text(self, ids: Sequence[int]) -> str:
        """Return the caption of ids."""
        return str(self._fast.decode(list(ids))).strip()

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``."""
        self._fast.save(str(folder / FILE))

    def load(self, folder: Path) -> None:
        """Read ``tokenizer.json``.

        Raises:
            ValueError: If the file is missing, is no tokenizer, lacks the special tokens, or has too many tokens.
        """
        try:
            fast = FastTokenizer.from_file(str(folder / FILE))
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"{folder / FILE} is missing or not a tokenizer: {error}") from error
        if [fast.id_to_token(i) for i in range(len(SPECIAL))] != list(SPECIAL):
            raise ValueError(f"{folder / FILE} lacks the special tokens {', '.join(SPECIAL)}")
        if fast.get_vocab_size() > self.vocabulary_size:
            size = fast.get_vocab_size()
            raise ValueError(f"{folder / FILE} has {size} tokens, more than the {self.vocabulary_size} of the model")
        self._keep(fast)
