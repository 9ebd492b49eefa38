"""Tokenizers: captions to token ids and back."""

from uat_lightning.text.base import Tokenizer
from uat_lightning.text.byte_pair import BytePairTokenizer
from uat_lightning.text.hugging_face import HuggingFaceTokenizer

__all__ = ["BytePairTokenizer", "HuggingFaceTokenizer", "Tokenizer"]
