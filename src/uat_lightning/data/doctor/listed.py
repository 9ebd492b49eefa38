"""The clips to examine: of manifests, of a folder, of a training's data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uat_lightning.data.folder import find_pairs
from uat_lightning.data.manifest import Entry, Listing, read_manifest

Splits = dict[str, list[Entry]]
LONGEST = 600.0  # seconds of a clip that are read where the data says nothing of it


@dataclass
class Listed:
    """Clips by source and split, and what was left out before any was read.

    Args:
        sources: The splits of each source, by their names.
        reasons: A line for each row or file that was left out.
        longest: Seconds of a clip that may be read.
        sample_rate: Samples per second that the clips will be brought to, in Hz; None where that is not known.
    """

    sources: dict[str, Splits] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    longest: float = LONGEST
    sample_rate: int | None = None

    @property
    def clips(self) -> list[tuple[str, str, Entry]]:
        """All clips as source, split and entry."""
        return [
            (source, split, entry)
            for source, splits in self.sources.items()
            for split, entries in splits.items()
            for entry in entries
        ]

    def add(self, source: str, listing: Listing) -> None:
        """Add a source whose clips name their own splits."""
        splits: Splits = defaultdict(list)
        for entry in listing.clips.values():
            splits[entry.split or "all"].append(entry)
        self.sources[source] = dict(splits)
        self.reasons += [f"{source}: {reason}" for reason in listing.reasons]


def of_manifests(manifests: Sequence[str], root: Path | None) -> Listed:
    """List the clips of manifests.

    Args:
        manifests: Their files.
        root: The folder that their paths are relative to; each manifest's own folder where None.

    Raises:
        ValueError: If a manifest as a whole cannot be read.
    """
    listed = Listed()
    for name in manifests:
        file = Path(name).expanduser()
        listed.add(name, read_manifest(file, root or file.parent))
    return listed


def of_folder(root: Path) -> Listed:
    """List the sound files of a folder that have captions in a text file beside them.

    Raises:
        ValueError: If there is no such folder.
    """
    if not root.is_dir():
        raise ValueError(f"no folder {root}: name the folder of the sound files with --root")
    listed = Listed()
    listed.add(str(root), find_pairs(root))
    return listed


def of_data(data: object) -> Listed:
    """List the clips that a DataModule trains on.

    Raises:
        ValueError: If its clips are no files.
    """
    splits: Splits | None = getattr(data, "splits", None)
    if splits is None:
        raise ValueError(f"{type(data).__name__} lists no sound files: check a FolderDataModule or a manifest")
    codec = getattr(data, "codec", None)
    longest = getattr(data, "longest_file", LONGEST)
    return Listed({type(data).__name__: splits}, [], longest, getattr(codec, "sample_rate", None))
