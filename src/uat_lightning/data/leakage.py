"""Keeping evaluation clips out of training, whatever a source calls them."""

from __future__ import annotations

import functools
import itertools
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from uat_lightning.data.clips import Clips
from uat_lightning.data.corpora import AudioCaps, Clotho, VGGSound
from uat_lightning.data.corpora.metadata import read_table
from uat_lightning.data.corpora.official import OfficialCorpus
from uat_lightning.data.corpus import Corpus, ListedCorpus
from uat_lightning.data.coverage import Coverage
from uat_lightning.data.identity import key, keys_of_file
from uat_lightning.data.manifest import Entry
from uat_lightning.data.mixed_edits import MixedEdits

log = logging.getLogger(__name__)
Keys = frozenset[str]


class EvaluationClips:
    """The clips that others are evaluated on, from the official lists.

    They are AudioCaps' and Clotho's validation and test clips, VGGSound's test clips, and whoever else's.

    Args:
        audiocaps: Folder of AudioCaps' ``val.csv`` and ``test.csv``; both versions have the same clips.
        clotho: Folder of Clotho's lists; with ``clotho_metadata_*.csv`` Freesound's numbers are known as well.
        vggsound: Folder of VGGSound's ``vggsound.csv`` or ``test.csv``, or the former.
        further: More lists: WavCaps' ``blacklist_*.json``, or tables with a column ``id`` of file names or Freesound
            numbers.
    """

    def __init__(
        self,
        audiocaps: str | None = None,
        clotho: str | None = None,
        vggsound: str | None = None,
        further: list[str] | None = None,
    ) -> None:
        self.audiocaps, self.clotho, self.vggsound, self.further = audiocaps, clotho, vggsound, further

    @functools.cached_property
    def lists(self) -> dict[str, Keys]:
        """The keys of each list (``data/identity.py``).

        Raises:
            ValueError: If a folder holds no list, or a list cannot be read.
        """
        named = ((AudioCaps, self.audiocaps), (Clotho, self.clotho), (VGGSound, self.vggsound))
        found: dict[str, Keys] = {}
        for dataset, metadata in named:
            if metadata is not None:
                found |= _evaluation_lists(dataset("", metadata))
        return found | {Path(file).name: _read_further(Path(file).expanduser()) for file in self.further or ()}


def screen(corpora: Sequence[Corpus], evaluation: EvaluationClips | None = None) -> list[Corpus]:
    """Return the corpora without the clips that any of them, or ``evaluation``, keeps for validation and test.

    Args:
        corpora: All that is trained on together. Those whose files are not listed come back as they are; edits are made
            of the clips that are left.
        evaluation: Further evaluation clips.
    """
    clips = [corpus.corpus if isinstance(corpus, MixedEdits) else corpus for corpus in corpora]
    listed = [corpus for corpus in clips if isinstance(corpus, ListedCorpus)]
    screened = {id(corpus): Screened(corpus, listed, evaluation) for corpus in listed}
    left = [screened.get(id(corpus), corpus) for corpus in clips]
    return [
        corpus.over(kept) if isinstance(corpus, MixedEdits) else kept
        for corpus, kept in zip(corpora, left, strict=True)
    ]


class Screened(ListedCorpus):
    """A corpus without evaluation clips among those to train on; nothing is read before its clips are asked for.

    Args:
        corpus: The corpus.
        together: All corpora that it is trained on together with; their validation and test clips are left out.
        evaluation: Further evaluation clips.
    """

    def __init__(
        self, corpus: ListedCorpus, together: Sequence[ListedCorpus] = (), evaluation: EvaluationClips | None = None
    ) -> None:
        self.corpus, self.together, self.further, self.longest_file = corpus, together, evaluation, corpus.longest_file

    @functools.cached_property
    def lists(self) -> dict[str, Keys]:
        """Keys of evaluation clips by name of their list."""
        lists = dict(self.further.lists) if self.further else {}
        for corpus in (self.corpus, *self.together):
            lists |= corpus.evaluation
        return lists

    @property
    def splits(self) -> Mapping[str, Sequence[Entry]]:
        """The clips of each split."""
        return self._screened[0]

    @property
    def coverage(self) -> tuple[Coverage, ...]:
        """The corpus', and how many clips were taken out."""
        return self._screened[1]

    @property
    def evaluation(self) -> Mapping[str, Keys]:
        """The corpus' own evaluation clips."""
        return self.corpus.evaluation

    @functools.cached_property
    def _screened(self) -> tuple[dict[str, Sequence[Entry]], tuple[Coverage, ...]]:
        splits, coverage = dict(self.corpus.splits), self.corpus.coverage
        if "train" not in splits:
            return splits, coverage
        clips = splits["train"]
        kept, counts = _clean(clips, self.lists)
        if not kept.all():
            name = type(self.corpus).__name__
            log.warning("%s train: %d evaluation clips left out: %s", name, (~kept).sum(), _said(counts))
            if not kept.any():
                raise ValueError(f"{name}: all {len(kept)} training clips are evaluation clips ({_said(counts)})")
            coverage = _filtered(coverage, clips, kept)
            splits["train"] = clips.where(kept) if isinstance(clips, Clips) else list(itertools.compress(clips, kept))
        return splits, coverage


def _clean(clips: Sequence[Entry], lists: Mapping[str, Keys]) -> tuple[np.ndarray, Counter[str]]:
    """Return which clips are in no list, bool (clips,), and how many are in each."""
    owners: dict[str, list[str]] = defaultdict(list)
    for name, listed in lists.items():
        for each in listed:
            owners[each].append(name)
    kept, counts = np.ones(len(clips), bool), Counter[str]()
    for place, called in enumerate(_keys(clips)):
        hits = {name for each in called if each in owners for name in owners[each]}
        kept[place] = not hits
        counts.update(hits)
    return kept, counts


def _keys(clips: Sequence[Entry]) -> Iterator[set[str]]:
    """Yield the keys of each clip: by its identity, or else by the name of its file."""
    if isinstance(clips, Clips):
        folders = "/".join(clips.root.parts[-2:])  # not those above: somebody may be called Freesound
        named = ((identity, aliases, f"{folders}/{name}") for identity, aliases, name in clips.names())
    else:
        named = ((clip.identity, clip.aliases, str(clip.file)) for clip in clips)
    for identity, aliases, path in named:
        yield {key(identity), *aliases} if identity else keys_of_file(path)


def _filtered(coverage: Sequence[Coverage], clips: Sequence[Entry], kept: np.ndarray) -> tuple[Coverage, ...]:
    """Return the coverage of the training lists with what was taken out of each."""
    parts = clips.parts() if isinstance(clips, Clips) else [None] * len(clips)
    lost = Counter(part or "train" for part, stays in zip(parts, kept, strict=True) if not stays)
    return tuple(
        replace(each, filtered=lost[each.part] if each.split == "train" else each.filtered) for each in coverage
    )


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))


def _evaluation_lists(corpus: OfficialCorpus) -> dict[str, Keys]:
    found = {f"{type(corpus).__name__} {each.split}": each.keys() for each in corpus.lists() if each.split != "train"}
    if not found:
        raise ValueError(f"{corpus.metadata} holds no validation or test list of {type(corpus).__name__}")
    return found


def _read_further(file: Path) -> Keys:
    """Return the keys of a list of file names, or of Freesound numbers."""
    if file.suffix.lower() == ".json":
        return _read_blacklist(file)
    names = read_table(file, ("id",))[0]["id"].to_pylist()
    return frozenset(each for name in names for each in _keys_of_name(name))


def _read_blacklist(file: Path) -> Keys:
    try:
        lists = json.loads(file.read_text(encoding="utf-8"))
        names = [str(name) for some in lists.values() for name in some]
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"{file} is no list of evaluation clips such as WavCaps': {error}") from error
    return frozenset(each for name in names for each in _keys_of_name(name))


def _keys_of_name(name: str) -> set[str]:
    return (
        {f"fs:{name}"} if name.isdigit() else {each for each in keys_of_file(name) if each.startswith(("yt:", "fs:"))}
    )
