"""Tars as others make them (WebDataset: ``0.flac`` beside ``0.json``), indexed where they lie by one reading."""

from __future__ import annotations

import collections
import io
import json
import logging
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from tqdm import tqdm

from uat_lightning.data.audio import READABLE
from uat_lightning.data.shards import index, meta
from uat_lightning.data.shards.index import SCHEMA, content_hash
from uat_lightning.data.shards.meta import Meta, Shard
from uat_lightning.data.shards.tar import Member, members

log = logging.getLogger(__name__)
LONGEST_TEXT = 1 << 20  # bytes of a clip's captions
CAPTIONS = ("text", "caption", "captions")  # keys of the json that hold them
SPLITS = {"val": "validation", "valid": "validation", "validation": "validation", "dev": "validation"}
SPLITS |= {"test": "test", "eval": "test", "evaluation": "test"}
ORDER = ("train", "validation", "test")


@dataclass
class Found:
    """Clips of a folder of tars.

    Args:
        rows: Rows of the index.
        reasons: Why clips were left out.
        ignored: Members that are neither sound nor captions, by their suffix.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    ignored: collections.Counter[str] = field(default_factory=collections.Counter)


def index_tars(folder: Path) -> Meta:
    """Write ``index.parquet`` and ``meta.json`` beside tars of sound files with captions.

    A sound file's captions are in a ``.json`` of the same name (``text``, ``caption`` or ``captions``: a text or a
    list) or in a ``.txt`` (one a line). The tar's path tells the split: ``valid/3.tar``, ``test-3.tar``, else "train".

    Returns:
        What the folder now says of itself.

    Raises:
        ValueError: If there is no tar, one is hostile or damaged, or no clip can be used.
    """
    tars = sorted(folder.rglob("*.tar"), key=lambda file: (ORDER.index(split_of(file, folder)), file))
    if not tars:
        raise ValueError(f"{folder} holds no .tar: name the folder of the tars, unpack other compressions")
    found, shards = Found(), []
    with tqdm(total=sum(file.stat().st_size for file in tars), unit="B", unit_scale=True, desc="Indexing") as bar:
        for number, file in enumerate(tars):
            before = len(found.rows)
            read_tar(file, number, folder, found)
            clips = len(found.rows) - before
            shards.append(Shard(file.relative_to(folder).as_posix(), file.stat().st_size, clips))
            bar.update(shards[-1].size)
    _report(folder, found)
    return _write(folder, found, tuple(shards))


def read_tar(file: Path, number: int, folder: Path, found: Found) -> None:
    """Add the clips of a tar, the ``number``-th of its folder."""
    groups: dict[str, dict[str, Member]] = collections.defaultdict(dict)
    for member in members(file):
        place, _, base = member.name.rpartition("/")
        key, _, suffix = base.partition(".")
        groups[f"{place}/{key}" if place else key][f".{suffix.lower()}"] = member
    name = file.relative_to(folder).with_suffix("").as_posix()
    with file.open("rb") as stream:
        for key, group in groups.items():
            try:
                found.rows += _clip(stream, f"{name}/{key}", group, number, split_of(file, folder), found)
            except ValueError as error:
                found.reasons.append(f"{key} in {file.name}: {error}")


def _clip(
    stream: BinaryIO, uid: str, group: dict[str, Member], shard: int, split: str, found: Found
) -> Iterator[dict[str, Any]]:
    """Yield the row of a clip, where the group has a sound file."""
    sounds = [member for suffix, member in group.items() if suffix in READABLE]
    found.ignored.update(suffix for suffix in group if suffix not in READABLE and suffix not in (".json", ".txt"))
    if not sounds:
        return
    captions = _captions(stream, group)
    content = _content(stream, sounds[0])
    frames, rate = _length(content)
    place = {"uid": uid, "shard": shard, "offset": sounds[0].offset, "size": sounds[0].size, "frames": frames}
    words = {"source": "tars", "split": split, "captions": captions}
    yield {**place, "sample_rate": rate, **words, "hash": content_hash(content)}


def _captions(stream: BinaryIO, group: dict[str, Member]) -> list[str]:
    said: object = None
    member = group.get(".json") or group.get(".txt")
    if member is None or member.size > LONGEST_TEXT:
        raise ValueError("no captions: a .json or .txt of at most 1 MiB is needed beside the sound")
    try:
        text = _content(stream, member).decode()
        said = text.split("\n") if ".json" not in group else json.loads(text)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"its captions cannot be read ({type(error).__name__})") from error
    if isinstance(said, dict):
        said = next((said[key] for key in CAPTIONS if key in said), None)
    texts = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    lines = [" ".join(text.encode("utf-8", "replace").decode().split()) for text in texts if isinstance(text, str)]
    if not any(lines):
        raise ValueError("it has no caption")
    return [line for line in lines if line]


def _content(stream: BinaryIO, member: Member) -> bytes:
    stream.seek(member.offset)
    return stream.read(member.size)


def _length(content: bytes) -> tuple[int, int]:
    """Return what a sound file's header says: samples of each channel, and samples per second."""
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            return int(sound.frames), int(sound.samplerate)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise ValueError("it cannot be decoded: convert it to WAV or FLAC") from error


def split_of(file: Path, folder: Path) -> str:
    """Return the split that a tar's path tells of, "train" where it tells of none."""
    words = re.split(r"[^a-z]+", file.relative_to(folder).as_posix().lower())
    return next((SPLITS[word] for word in words if word in SPLITS), "train")


def _report(folder: Path, found: Found) -> None:
    if found.ignored:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(found.ignored.items()))
        log.warning("%s: passed over members that are neither sound nor captions: %s", folder, kinds)
    shown = "; ".join(found.reasons[:3])
    if not found.rows:
        raise ValueError(f"{folder}: no usable clip in its tars. {shown or 'They hold no sound files'}")
    if found.reasons:
        log.warning("%s: left out %d, kept %d clips. %s", folder, len(found.reasons), len(found.rows), shown)


def _write(folder: Path, found: Found, shards: tuple[Shard, ...]) -> Meta:
    temporary = folder / f".{secrets.token_hex(4)}"
    splits: dict[str, dict[str, int]] = {}
    for row in found.rows:
        splits.setdefault(row["split"], {"tars": 0})["tars"] += 1
    try:
        pq.write_table(pa.Table.from_pylist(found.rows, SCHEMA), temporary, row_group_size=index.ROWS)
        digest = index.digest_of(temporary)
        temporary.replace(folder / index.NAME)
        told = Meta("audio", shards, splits, digest, {"tars": len(shards)}, skipped=len(found.reasons))
        temporary.write_text(told.text(), encoding="utf-8")
        temporary.replace(folder / meta.NAME)
    finally:
        temporary.unlink(missing_ok=True)
    return told
