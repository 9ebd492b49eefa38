"""Text: captions to token ids and back, and token ids to states."""

from uat_lightning.text.base import TextEncoder, Tokenizer
from uat_lightning.text.byte_pair import BytePairTokenizer
from uat_lightning.text.embedding import LearnedEmbedding
from uat_lightning.text.hugging_face import HuggingFaceTokenizer
from uat_lightning.text.t5 import T5Encoder

__all__ = ["BytePairTokenizer", "HuggingFaceTokenizer", "LearnedEmbedding", "T5Encoder", "TextEncoder", "Tokenizer"]
