"""Sound files: reading any of them, writing the usual ones.

Reading follows one policy for channels: a file with the wanted number of channels is taken as it is; any other is
mixed to the mean of its channels, and that is repeated on every channel wanted. No layout is assumed, nothing is lost.
"""

from .bandwidth import bandwidth
from .decoder import Decoder, Samples
from .header import AudioError
from .loudness import Loudness, loudness
from .part import READABLE, Part, open_part, open_sound
from .read import read_audio
from .write import FORMATS, write_audio

__all__ = [
    "FORMATS",
    "READABLE",
    "AudioError",
    "Decoder",
    "Loudness",
    "Part",
    "Samples",
    "bandwidth",
    "loudness",
    "open_part",
    "open_sound",
    "read_audio",
    "write_audio",
]
