"""What a shard folder says of itself: ``meta.json``."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "meta.json"
PARTS = "parts"  # folder of codec and tokenizer
DIGEST = re.compile("[0-9a-f]{64}")
VERSION = 1  # raise when the files or their meaning change
SAFE = re.compile(r"[A-Za-z0-9_+=@,%~-][A-Za-z0-9_+=@,%~. -]*")


@dataclass(frozen=True)
class Shard:
    """A tar of the folder.

    Args:
        name: Its file, relative to the folder.
        size: Its bytes.
        clips: Its clips.
    """

    name: str
    size: int
    clips: int


@dataclass(frozen=True)
class Meta:
    """A finished shard folder.

    Args:
        content: What the members are: "latents" or "audio".
        shards: The tars, as the index counts them.
        splits: Clips of each split and corpus, in the order of the index.
        index: SHA-256 of ``index.parquet``.
        made_of: What shaped the content, in plain values: corpus, codec, tokenizer, policy for long files.
        parts: Files of codec and tokenizer in ``parts``, none for audio.
        codec_digest: SHA-256 of the codec's tensors, empty for audio.
        latent_width: Channels of a latent frame, 0 for audio.
        frames_per_second: Latent frames, or samples, of a second.
        mean: Mean of each latent channel.
        deviation: Standard deviation of each latent channel.
        frames: Frames that mean and deviation are taken over.
        skipped: Clips that could not be used; ``skipped.jsonl`` lists them.
    """

    content: str
    shards: tuple[Shard, ...]
    splits: dict[str, dict[str, int]]
    index: str
    made_of: dict[str, Any]
    parts: tuple[str, ...] = ()
    codec_digest: str = ""
    latent_width: int = 0
    frames_per_second: float = 0.0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    frames: int = 0
    skipped: int = 0

    @property
    def clips(self) -> int:
        """Clips of all splits."""
        return sum(sum(sources.values()) for sources in self.splits.values())

    def rows(self, split: str, source: str | None = None) -> range:
        """Return the rows of the index that a split has.

        Args:
            split: The split.
            source: One corpus of it; all where None.

        Raises:
            ValueError: If there is no such split or corpus.
        """
        first = 0
        for name, sources in self.splits.items():
            if name == split and source is None:
                return range(first, first + sum(sources.values()))
            for corpus, clips in sources.items():
                if (name, corpus) == (split, source):
                    return range(first, first + clips)
                first += clips
        there = "; ".join(f"{name} of {', '.join(sources)}" for name, sources in self.splits.items())
        raise ValueError(f"the shards have no {split} clips{f' of {source}' if source else ''}, only {there}")

    def text(self) -> str:
        """Return the content of ``meta.json``."""
        return json.dumps({"version": VERSION, **dataclasses.asdict(self)}, indent=1, ensure_ascii=False) + "\n"


def parse_meta(text: str, place: object) -> Meta:
    """Read the content of a ``meta.json``.

    Args:
        text: The content.
        place: What complaints name.

    Raises:
        ValueError: If it is not JSON, of another version, lacks a field, or names a tar outside its folder.
    """
    try:
        fields = dict(json.loads(text))
        version = fields.pop("version", None)
        shards = tuple(Shard(str(each["name"]), int(each["size"]), int(each["clips"])) for each in fields.pop("shards"))
        splits = {split: {name: int(n) for name, n in each.items()} for split, each in fields.pop("splits").items()}
        meta = Meta(shards=shards, splits=splits, **fields)
        if not (isinstance(meta.latent_width, int) and isinstance(meta.made_of, dict) and DIGEST.fullmatch(meta.index)):
            raise ValueError("fields of other types")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{place} is damaged, or not of a shard folder: fetch it again, or encode anew") from error
    if version != VERSION:
        raise ValueError(f"{place} has version {version}; this version of uat-lightning reads {VERSION}")
    for name in (*(shard.name for shard in shards), *meta.parts):
        if not all(SAFE.fullmatch(part) for part in str(name).split("/")):
            raise ValueError(f"{place} names the file {str(name)[:80]!r}, which leads out of the folder: do not use it")
    return meta


def read_meta(folder: Path) -> Meta:
    """Read the ``meta.json`` of a folder.

    Raises:
        ValueError: If there is none, or it cannot be used.
    """
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{folder} holds no finished shards: name another folder, or run `uat encode` again to finish it"
        ) from error
    return parse_meta(text, folder / NAME)
