"""From a source of clips to stores of latents and tokens, once, into a cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from uat_lightning.codec import Codec
from uat_lightning.data.source import CaptionedAudio, Source
from uat_lightning.data.store import EncodedClip, LatentStore
from uat_lightning.text import Tokenizer
from uat_lightning.types import Sequences

log = logging.getLogger(__name__)
FIT_SECONDS = 10.0  # length of the rows that a codec is fitted to
FORMAT = 4  # raise when the files or the way to make them change
Made = TypeVar("Made")


class Unusable(str):
    """Why a clip cannot be used; travels from the workers in the clip's place."""


class _Reader(Dataset["Made | Unusable"], Generic[Made]):
    """What is made of a source's clips; of unusable clips comes back their reason."""

    def __init__(self, source: Source, make: Callable[[CaptionedAudio], Made], count: int) -> None:
        self.source, self.make, self.count = source, make, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Made | Unusable:
        try:
            clip = self.source[index]
        except ValueError as error:
            return Unusable(error)
        return self.make(clip) if clip.captions else Unusable(f"{clip.uid} has no caption")


def default_cache() -> Path:
    """Return ``$UAT_CACHE``, or ``uat-lightning`` in the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("UAT_CACHE", home / "uat-lightning"))


def as_it_is(clip: CaptionedAudio) -> CaptionedAudio:
    """Return a clip: for ``read``, where clips themselves are wanted."""
    return clip


def read(
    source: Source,
    make: Callable[[CaptionedAudio], Made],
    workers: int,
    label: str,
    count: int | None = None,
) -> Iterator[list[Made]]:
    """Yield what is made of the usable clips of a source, in order and 64 at a time; say which were left out.

    Args:
        source: The clips.
        make: Makes it of a clip, where the clip is read: what is large then need not travel between processes.
        workers: Processes that read.
        label: Words before the progress bar.
        count: Clips to read; all where None.

    Raises:
        ValueError: If no clip can be used.
    """
    reader = _Reader(source, make, min(len(source), count or len(source)))
    loader = DataLoader(reader, batch_size=64, num_workers=workers, collate_fn=list)
    reasons: list[str] = []
    usable = 0
    with tqdm(total=len(reader), desc=label, unit=" clips", leave=False, mininterval=0.5) as bar:
        for items in loader:
            made = [item for item in items if not isinstance(item, Unusable)]
            reasons += [item for item in items if isinstance(item, Unusable)]
            usable += len(made)
            if made:
                yield made
            bar.update(len(items))
    if reasons:
        log.warning("%s: left out %d of %d clips. %s", label, len(reasons), len(reader), "; ".join(reasons[:5]))
    if not usable:
        raise ValueError(f"{label}: no usable clip among {len(reader)}. {'; '.join(reasons[:3])}")


def lined_up(clips: list[CaptionedAudio], samples: int) -> torch.Tensor:
    """Lay clips end to end and cut that into rows of equal length, without padding: (rows, channels, samples)."""
    joined = torch.cat([torch.from_numpy(clip.waveform) for clip in clips], dim=1)
    rows = max(1, joined.shape[1] // samples)
    return rearrange(joined[:, : rows * samples], "channels (rows samples) -> rows channels samples", rows=rows)


@dataclass(frozen=True)
class _Heard:
    """A clip with latents in place of audio."""

    latents: NDArray[np.float32]
    captions: Sequence[str]
    source: NDArray[np.float32] | None


@dataclass(frozen=True)
class _Hearing:
    """Encodes clips one by one: padding would cost memory, and reach back into the last frames of a wide codec."""

    codec: Codec

    def __call__(self, clip: CaptionedAudio) -> _Heard:
        source = None if clip.source is None else self._latents(clip.source)
        return _Heard(self._latents(clip.waveform), clip.captions, source)

    def _latents(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        latents: NDArray[np.float32] = self.codec.encode(torch.from_numpy(waveform)[None])[0].numpy()
        return latents


def encode(source: Source, codec: Codec, tokenizer: Tokenizer, workers: int, label: str) -> LatentStore:
    """Encode all clips of a source, and say how many captions were too long for the canvas."""
    cut = 0
    encoded: list[EncodedClip] = []
    for clips in read(source, _Hearing(codec), workers, label):
        captions = [caption for clip in clips for caption in clip.captions]
        text = tokenizer.encode(captions)
        full = [caption for caption, fills in zip(captions, text.lengths == tokenizer.canvas, strict=True) if fills]
        cut += sum(beyond > 0 for beyond in tokenizer.overlong(full))
        encoded += _tokenized(clips, text)
    if cut:
        log.warning("%s: %d captions lost their last words, as the canvas has %d tokens", label, cut, tokenizer.canvas)
    return LatentStore.pack(encoded)


def _tokenized(clips: Sequence[_Heard], text: Sequences) -> list[EncodedClip]:
    tokens = iter([row[:length].numpy() for row, length in zip(text.values, text.lengths.tolist(), strict=True)])
    return [EncodedClip(clip.latents, [next(tokens) for _ in clip.captions], clip.source) for clip in clips]


def fit_parts(sources: Sequence[tuple[Source, int]], codec: Codec, tokenizer: Tokenizer, workers: int) -> None:
    """Fit what needs it, codec or tokenizer, to the first clips of training sources: so many of each."""
    if codec.fitted and tokenizer.fitted:
        return
    label = "Fitting codec and tokenizer"
    read_from = [read(source, as_it_is, workers, label, count) for source, count in sources]
    clips = [clip for batches in read_from for some in batches for clip in some]
    if not codec.fitted:
        codec.fit(lined_up(clips, codec.samples(FIT_SECONDS)))
    if not tokenizer.fitted:
        tokenizer.fit([caption for clip in clips for caption in clip.captions])


def fingerprint(**parts: object) -> str:
    """Return 16 hexadecimal digits that change with any of the parts (plain values)."""
    text = json.dumps({"format": FORMAT, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def make_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the name ``folder`` once everything in it is written."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        yield temporary
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.exists():  # where it does, another process was faster
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
