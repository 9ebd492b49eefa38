"""Scores of captions: pure functions over texts, and a ``torchmetrics`` metric that is right on several ranks."""

from uat_lightning.metrics.captioning.fluency import ErrorDetector, FenseErrorDetector, FluencyError
from uat_lightning.metrics.captioning.java_treebank import JavaTreebank
from uat_lightning.metrics.captioning.meteor import Meteor
from uat_lightning.metrics.captioning.metric import CaptionMetric
from uat_lightning.metrics.captioning.ngrams import Bleu, CiderD, RougeL
from uat_lightning.metrics.captioning.scores import CaptionScorer, NotComputable
from uat_lightning.metrics.captioning.scoring import caption_scores, every_scorer, quick_scorers
from uat_lightning.metrics.captioning.sentences import SentenceEmbedder, SentenceSimilarity, SentenceTransformer
from uat_lightning.metrics.captioning.spice import Spice
from uat_lightning.metrics.captioning.variety import Variety
from uat_lightning.metrics.captioning.words import AlreadySplit, Treebank, Words

__all__ = [
    "AlreadySplit",
    "Bleu",
    "CaptionMetric",
    "CaptionScorer",
    "CiderD",
    "ErrorDetector",
    "FenseErrorDetector",
    "FluencyError",
    "JavaTreebank",
    "Meteor",
    "NotComputable",
    "RougeL",
    "SentenceEmbedder",
    "SentenceSimilarity",
    "SentenceTransformer",
    "Spice",
    "Treebank",
    "Variety",
    "Words",
    "caption_scores",
    "every_scorer",
    "quick_scorers",
]
