"""Text: captions to token ids and back, and token ids to states."""

from uat_lightning.text.base import TextEncoder, Tokenizer
from uat_lightning.text.byte_pair import BytePairTokenizer
from uat_lightning.text.embedding import LearnedEmbedding
from uat_lightning.text.hugging_face import HuggingFaceTokenizer
from uat_lightning.text.instruction import (
    Add,
    Alter,
    Applied,
    Instruction,
    NotHeard,
    Remove,
    Replace,
    Said,
    read_instruction,
)
from uat_lightning.text.phrases import Phrase, Phrases
from uat_lightning.text.pointing import Pointing, WordPointing
from uat_lightning.text.t5 import T5Encoder

__all__ = [
    "Add",
    "Alter",
    "Applied",
    "BytePairTokenizer",
    "HuggingFaceTokenizer",
    "Instruction",
    "LearnedEmbedding",
    "NotHeard",
    "Phrase",
    "Phrases",
    "Pointing",
    "Remove",
    "Replace",
    "Said",
    "T5Encoder",
    "TextEncoder",
    "Tokenizer",
    "WordPointing",
    "read_instruction",
]
