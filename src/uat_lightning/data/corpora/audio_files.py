"""The sound files under a folder: one walk finds them all, then clips are looked up by the names they may have."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tqdm import tqdm

from uat_lightning.data.audio import READABLE, container, sound_file

log = logging.getLogger(__name__)
SOUNDS = sound_file.EXTENSIONS
VIDEOS = container.EXTENSIONS - SOUNDS  # found, and counted as unreadable where nothing here reads them
AT_ONCE = 1 << 16


class AudioFiles:
    """Sound files of a folder, before those that only hold sound as videos do.

    Args:
        root: The folder.
        names: Paths relative to it, with forward slashes.
        readable: How many of them, from the first on, have a format that can be read.
    """

    def __init__(self, root: Path, names: pa.Array, readable: int) -> None:
        self.root, self.names, self.readable = root, names, readable
        self.stems = pc.replace_substring_regex(names, r"^.*/|\.[^./]*$", "")

    @classmethod
    def under(cls, root: Path) -> AudioFiles:
        """Find all sound files under a folder; links are followed, hidden files and folders are not looked at.

        Raises:
            ValueError: If there is no such folder, or no sound file in it.
        """
        if not root.is_dir():
            raise ValueError(f"no folder {root}: name the folder of the sound files")
        found = iter(tqdm(_walk(root), desc=f"Looking through {root}", unit=" files", leave=False, delay=2.0))
        chunks = iter(lambda: list(itertools.islice(found, AT_ONCE)), [])
        names = pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())
        if not len(names):
            raise ValueError(f"{root} holds no sound file: name the folder of the sound files")
        plain = pc.match_substring_regex(names, rf"(?i)\.({'|'.join(suffix[1:] for suffix in SOUNDS)})$")
        ordered = [_sorted(names.filter(mask)) for mask in (plain, pc.invert(plain))]
        return cls(root, pa.concat_arrays(ordered), len(names) if VIDEOS <= READABLE else len(ordered[0]))

    def within(self, words: str) -> AudioFiles:
        """Return the files in folders whose name begins so, any case; all files where there is no such folder."""
        inside = pc.match_substring_regex(self.names, f"(?i)(^|/){words}[^/]*/")
        if not pc.any(inside).as_py():
            return self
        readable = int(pc.sum(inside.slice(0, self.readable)).as_py() or 0)
        return AudioFiles(self.root, self.names.filter(inside), readable)

    def locate(self, styles: Iterable[pa.Array], clips: int) -> NDArray[np.int64]:
        """Return the place of each clip's file among ``names``, -1 where there is none; int64 (clips,).

        A file that a clip has found is not given to another clip by a later style, nor one that two clips might have.

        Args:
            styles: Names without suffix that the clips may have, null where a style does not fit: the surest first.
            clips: Number of clips.
        """
        places = np.full(clips, -1, np.int64)
        taken = np.zeros(len(self.names), bool)
        for names in styles:
            open_ = np.flatnonzero(places < 0)
            if not len(open_):
                break
            wanted = names.take(pa.array(open_))
            at = pc.fill_null(pc.index_in(wanted, value_set=self.stems, skip_nulls=True), -1).to_numpy(
                zero_copy_only=False
            )
            wanted_by = np.bincount(at[at >= 0], minlength=len(self.names))
            free = (at >= 0) & ~taken[at] & (wanted_by[at] == 1)
            places[open_[free]] = at[free]
            taken[at[free]] = True
        return places


def _walk(root: Path) -> Iterator[str]:
    """Yield the sound files under a folder, relative to it; folders that links make come again are entered once."""
    seen: set[tuple[int, int]] = set()
    folders = [(str(root), "")]
    while folders:
        folder, inside = folders.pop()
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                name = inside + entry.name
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append((entry.path, f"{name}/"))
                elif _is_sound(entry) and _is_text(name, folder):
                    yield name


def _is_sound(entry: os.DirEntry[str]) -> bool:
    suffix = "." + entry.name.rpartition(".")[2].lower()  # not Path, which costs as much as all the rest
    return (suffix in SOUNDS or suffix in VIDEOS) and entry.is_file()


def _is_text(name: str, folder: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        log.warning("%s: left out %r: the name is not UTF-8, rename the file", folder, name)
        return False
    return True


def _sorted(names: pa.ChunkedArray) -> pa.Array:
    return names.take(pc.array_sort_indices(names)).combine_chunks()
