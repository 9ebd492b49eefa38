"""The clips to examine: of manifests, of a folder, of all corpora of a training."""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uat_lightning.data.audio_text import AudioTextDataModule
from uat_lightning.data.corpora.folder import find_pairs
from uat_lightning.data.corpus import ListedCorpus
from uat_lightning.data.coverage import Coverage
from uat_lightning.data.manifest import Entry, Listing, read_manifest

LONGEST = 600.0  # seconds of a clip that are read where the data says nothing of it


@dataclass(frozen=True)
class Clips:
    """Clips of one split of one source.

    Args:
        source: Name of the source.
        split: Name of the split.
        entries: The clips; may be made when asked for.
        longest: Seconds of a clip that may be read.
    """

    source: str
    split: str
    entries: Sequence[Entry]
    longest: float = LONGEST


@dataclass
class Listed:
    """Clips by source and split, and what was left out before any was read.

    Args:
        parts: The clips of each split of each source.
        reasons: A line for each row or file that was left out.
        unlisted: Names of sources that list no files, and cannot be examined.
        coverage: How much of official lists was found.
        sample_rate: Samples per second that the clips will be brought to, in Hz; None where that is not known.
    """

    parts: list[Clips] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    coverage: list[Coverage] = field(default_factory=list)
    sample_rate: int | None = None

    def __len__(self) -> int:
        """Return the number of clips."""
        return sum(len(part.entries) for part in self.parts)

    def __iter__(self) -> Iterator[tuple[str, str, Entry]]:
        """Yield source, split and entry of every clip."""
        for part in self.parts:
            for entry in part.entries:
                yield part.source, part.split, entry

    def clip(self, index: int) -> tuple[Entry, float]:
        """Return one clip, and the seconds of it that may be read."""
        ends = list(itertools.accumulate(len(part.entries) for part in self.parts))
        place = bisect.bisect_right(ends, index)
        part = self.parts[place]
        return part.entries[index - ends[place] + len(part.entries)], part.longest

    def add(self, source: str, listing: Listing, longest: float) -> None:
        """Add a source whose clips name their own splits."""
        splits: Mapping[str, list[Entry]] = defaultdict(list)
        for entry in listing.clips.values():
            splits[entry.split or "all"].append(entry)
        self.parts += [Clips(source, split, entries, longest) for split, entries in splits.items()]
        self.reasons += [f"{source}: {reason}" for reason in listing.reasons]


def of_manifests(manifests: Sequence[str], root: Path | None = None, longest: float = LONGEST) -> Listed:
    """List the clips of manifests.

    Args:
        manifests: Their files.
        root: The folder that their paths are relative to; each manifest's own folder where None.
        longest: Seconds of a clip that may be read.

    Raises:
        ValueError: If a manifest as a whole cannot be read.
    """
    listed = Listed()
    for name in manifests:
        file = Path(name).expanduser()
        listed.add(name, read_manifest(file, root or file.parent), longest)
    return listed


def of_folder(root: Path, longest: float = LONGEST) -> Listed:
    """List the sound files of a folder that have captions in a text file beside them.

    Args:
        root: The folder.
        longest: Seconds of a clip that may be read.

    Raises:
        ValueError: If there is no such folder.
    """
    if not root.is_dir():
        raise ValueError(f"no folder {root}: name the folder of the sound files with --root")
    listed = Listed()
    listed.add(str(root), find_pairs(root), longest)
    return listed


def of_data(data: object, longest: float | None = None) -> Listed:
    """List the clips of the corpora that a DataModule trains on.

    Args:
        data: The DataModule.
        longest: Seconds of a clip that may be read; what each corpus says where None.

    Raises:
        ValueError: If none of its clips are files.
    """
    listed = Listed()
    shares = data.corpora if isinstance(data, AudioTextDataModule) else {}
    for name, share in shares.items():
        if not isinstance(share.corpus, ListedCorpus):
            listed.unlisted.append(name)
            continue
        seconds = share.corpus.longest_file if longest is None else longest
        listed.parts += [Clips(name, split, clips, seconds) for split, clips in share.corpus.splits.items()]
        listed.coverage += share.corpus.coverage
    if not listed.parts:
        raise ValueError(f"{type(data).__name__} lists no sound files: check a FolderDataModule or a manifest")
    listed.sample_rate = data.codec.sample_rate if isinstance(data, AudioTextDataModule) else None
    return listed
