"""What clips are called: one identity for one clip, however its list or its file writes it.

An identity is ``yt:{video}:{milliseconds}`` for a part of a YouTube video (``-`` in place of an unknown beginning),
``fs:{number}`` for a Freesound sound, ``clotho:{name}`` for a file of Clotho, ``bbc:{id}`` and ``soundbible:{id}``.
A *key* is what leakage is looked for by: an identity without its beginning, as every part of an evaluation video is off
limits; ``audiocaps:{number}`` for AudioCaps' own numbers; ``name:{name}`` for a file name with its separators unified.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import PurePosixPath

VIDEO = r"[A-Za-z0-9_-]{11}"
_TIMES = r"(?:_\d+(?:\.\d+)?){0,2}"
# Both may fit one name, as an id may begin with Y and hold underscores: no name is ever split at a letter.
_YOUTUBE = (re.compile(f"({VIDEO}){_TIMES}", re.ASCII), re.compile(f"Y({VIDEO}){_TIMES}", re.ASCII))
_FREESOUND = (re.compile(r"(\d+)__\d*.*"), re.compile(r"\d-(\d+)-[A-Z](?:-\d+)?"))  # as downloaded; in ESC-50
_OWNERS = {"audiocaps": ("audiocaps",), "fs": ("freesound", "fsd", "clotho")}


def loose(name: str) -> str:
    """Return a file name with every run of anything but letters and digits as one underscore."""
    return re.sub(r"[\W_]+", "_", unicodedata.normalize("NFC", name)).strip("_")


def key(identity: str) -> str:
    """Return the key of an identity: itself, or the video alone."""
    return identity[:14] if identity.startswith("yt:") else identity


def keys_of_file(path: str) -> set[str]:
    """Return all keys that a file may stand for by its name.

    A bare number is AudioCaps' or Freesound's where a folder on the path says so, and nobody's otherwise.

    Args:
        path: The file, with its folders.
    """
    stem = PurePosixPath(path).stem
    names = {stem, stem.partition("__")[2] or stem}  # a dataset's name may stand in front
    return {found for name in names for found in (*_videos(name), *_numbers(name, path), f"name:{loose(name)}")}


def _videos(name: str) -> Iterator[str]:
    for style in _YOUTUBE:
        if match := style.fullmatch(name):
            yield f"yt:{match[1]}"
            if match[1].startswith("_"):  # written in place of a leading hyphen, which programs take for an option
                yield f"yt:-{match[1][1:]}"


def _numbers(name: str, path: str) -> Iterator[str]:
    yield from (f"fs:{match[1]}" for style in _FREESOUND if (match := style.fullmatch(name)))
    if name.isascii() and name.isdigit():
        folders = str(PurePosixPath(path).parent).lower()
        yield from (f"{owner}:{name}" for owner, words in _OWNERS.items() if any(word in folders for word in words))
