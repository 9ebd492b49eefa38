"""Corpora: the datasets of the field, each from its official lists and a folder of audio, and folders of one's own."""

from uat_lightning.data.corpora.folder import Folder

__all__ = ["Folder"]
