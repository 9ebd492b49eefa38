"""Corpora: the datasets of the field, each from its official lists and a folder of audio, and folders of one's own."""

from uat_lightning.data.corpora.audiocaps import AudioCaps
from uat_lightning.data.corpora.audiosetcaps import AudioSetCaps
from uat_lightning.data.corpora.clotho import Clotho
from uat_lightning.data.corpora.folder import Folder
from uat_lightning.data.corpora.vggsound import VGGSound
from uat_lightning.data.corpora.wavcaps import WavCaps

__all__ = ["AudioCaps", "AudioSetCaps", "Clotho", "Folder", "VGGSound", "WavCaps"]
