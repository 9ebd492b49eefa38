"""A folder of one's own: sound files with a manifest, or with captions in text files beside them."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from uat_lightning.data.audio import READABLE
from uat_lightning.data.audio.container import EXTENSIONS
from uat_lightning.data.clips import Clips
from uat_lightning.data.corpus import ListedCorpus
from uat_lightning.data.manifest import Entry, Listing, make_entry, read_manifest
from uat_lightning.data.manifest_rows import read_text

VALIDATION = frozenset({"validation", "val", "valid", "dev"})
TEST = frozenset({"test", "eval", "evaluation"})


class Folder(ListedCorpus):
    """Sound files with captions from a folder.

    Without a manifest, every sound file under the folder with a ``.txt`` of the same name beside it is a clip; a line
    of the text is a caption. ``data/manifest.py`` says what a manifest holds.

    Clips to validate on are, in this order: those of ``validation_manifest``; those whose split or fold is
    ``validation_split``; a share of the files, chosen by their names, so that a file stays on its side when others are
    added. Clips of a split called test or evaluation are for `uat test`. No file is both trained and validated on.

    Args:
        root: The folder.
        manifest: A ``.jsonl``, ``.csv`` or ``.tsv`` file in the folder, or anywhere with an absolute path.
        validation_manifest: Another one, of clips to validate on.
        validation_split: Split or fold of the manifest to validate on.
        validation_share: Share of the files to validate on otherwise, 0 to 1; at least one.
        longest_file: Seconds of a clip that are read; longer clips are left out and reported: name parts of them.
    """

    def __init__(
        self,
        root: str,
        manifest: str | None = None,
        validation_manifest: str | None = None,
        validation_split: str = "validation",
        validation_share: float = 0.05,
        longest_file: float = 120.0,
    ) -> None:
        self.root, self.manifest, self.validation_manifest = Path(root).expanduser(), manifest, validation_manifest
        self.validation_split, self.validation_share = validation_split.lower(), validation_share
        self.longest_file = longest_file

    @functools.cached_property
    def splits(self) -> Mapping[str, Sequence[Entry]]:
        """The clips of each split, in an order that mixes folders: the codec is fitted to the first ones.

        Raises:
            ValueError: If folder or manifest cannot be used, or one split has no clips.
        """
        if not self.root.is_dir():
            raise ValueError(f"no folder {self.root}: name the folder of the sound files with --data.root")
        clips = self._clips(self.manifest)
        if self.validation_manifest:
            validation = self._clips(self.validation_manifest)
        else:
            validation = _validation(clips, self.validation_split, self.validation_share)
        train = _train(clips, validation)
        if not train:
            raise ValueError(
                f"{self.root}: of {len(clips)} clips none is left to train on: add files, or another split"
            )
        taken = {clip.file for clip in (*train, *validation)}
        test = [clip for clip in clips if clip.split in TEST and clip.file not in taken]
        found = {"train": train, "validation": validation, "test": test}
        root = Path(os.path.normpath(self.root)).absolute()
        kept = {split: sorted(entries, key=_place) for split, entries in found.items() if entries or split != "test"}
        return {split: Clips.of(root, entries) for split, entries in kept.items()}

    def _clips(self, manifest: str | None) -> list[Entry]:
        if manifest is None:
            return find_pairs(self.root).report(f"{self.root} (sound files with a .txt of the same name beside them)")
        file = self.root / Path(manifest).expanduser()
        return read_manifest(file, self.root).report(file)


def find_pairs(root: Path) -> Listing:
    """Find the sound files under a folder, with captions in a ``.txt`` of the same name beside each."""
    listing = Listing()
    for file in sound_files(root):
        captions = file.with_suffix(".txt")
        try:
            if file.suffix.lower() not in READABLE:
                raise ValueError(f"{file.relative_to(root)} is not read here: pip install 'uat-lightning[video]'")
            if not captions.is_file():
                raise ValueError(f"{file.relative_to(root)} has no {captions.name} beside it")
            listing.add(make_entry(file, root, read_text(captions).split("\n")))
        except (ValueError, OSError) as error:
            listing.reasons.append(str(error))
    return listing


def sound_files(root: Path) -> Iterator[Path]:
    """Yield the sound files under a folder, hidden ones left out, in an order that does not change."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in READABLE | EXTENSIONS:
                yield Path(folder, name)


def _validation(clips: Sequence[Entry], split: str, share: float) -> list[Entry]:
    """Return the clips of the split, or else a share of the files."""
    if not 0 <= share < 1:
        raise ValueError(f"validation_share is a share from 0 to below 1, got {share}")
    names = VALIDATION if split in VALIDATION else {split}
    chosen = [clip for clip in clips if clip.split in names]
    if chosen:
        return chosen
    if split not in VALIDATION:
        found = ", ".join(sorted({clip.split for clip in clips} - {""})[:8])
        raise ValueError(f"no clip has the split or fold {split!r}; there are: {found or 'none'}")
    clips = [clip for clip in clips if clip.split not in TEST]
    least = min((_place(clip) for clip in clips), default=0.0)
    return [clip for clip in clips if _place(clip) <= max(share, least)]


def _train(clips: Sequence[Entry], validation: Sequence[Entry]) -> list[Entry]:
    """Return the clips of files that are neither validated nor tested on."""
    taken = {clip.file for clip in validation}
    return [clip for clip in clips if clip.file not in taken and clip.split not in TEST]


def _place(clip: Entry) -> float:
    """Return a number in [0, 1) that depends on the file's name alone; parts of a file stay together."""
    digest = hashlib.sha256(clip.name.encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
