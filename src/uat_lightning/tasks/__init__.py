"""What people ask for: generate, edit, caption, fill in, score."""

from uat_lightning.tasks.base import Parts
from uat_lightning.tasks.caption import Caption, ChosenCaption
from uat_lightning.tasks.choice import Choice, MinimumBayesRisk, MostLikely, Utility, WordOverlap
from uat_lightning.tasks.chosen import ChosenEdit, ChosenGenerate
from uat_lightning.tasks.edit import Edit, Edited, Source
from uat_lightning.tasks.generate import Generate
from uat_lightning.tasks.imagine import Imagine
from uat_lightning.tasks.infill import Infill
from uat_lightning.tasks.judge import Judge, TextAudioSimilarity
from uat_lightning.tasks.region import Region, SoftMask, Spans
from uat_lightning.tasks.rendering import Change, ChangedBins, Decoded, Rendering
from uat_lightning.tasks.score import AudioLikelihood, BothDirections, PerToken, PointwiseInformation, Score

__all__ = [
    "AudioLikelihood",
    "BothDirections",
    "Caption",
    "Change",
    "ChangedBins",
    "Choice",
    "ChosenCaption",
    "ChosenEdit",
    "ChosenGenerate",
    "Decoded",
    "Edit",
    "Edited",
    "Generate",
    "Imagine",
    "Infill",
    "Judge",
    "MinimumBayesRisk",
    "MostLikely",
    "Parts",
    "PerToken",
    "PointwiseInformation",
    "Region",
    "Rendering",
    "Score",
    "SoftMask",
    "Source",
    "Spans",
    "TextAudioSimilarity",
    "Utility",
    "WordOverlap",
]
