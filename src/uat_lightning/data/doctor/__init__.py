"""The doctor: reads every clip of a corpus once, and tells what it is made of and what is wrong with it.

``reading`` measures clips in parallel, ``tally`` and ``captions`` add up what they have in common, ``overlap`` finds
what is there twice, ``findings`` says what of it hurts a training, ``examination`` puts it all together.
"""

from .examination import Examination, examine
from .findings import Finding
from .listed import LONGEST, Clips, Listed, of_data, of_folder, of_manifests
from .measurement import Measurement, measure

__all__ = [
    "LONGEST",
    "Clips",
    "Examination",
    "Finding",
    "Listed",
    "Measurement",
    "examine",
    "measure",
    "of_data",
    "of_folder",
    "of_manifests",
]
