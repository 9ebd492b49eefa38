"""From a source of clips to stores of latents and tokens, once, into a cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

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

log = logging.getLogger(__name__)
FIT_SECONDS = 10.0  # length of the rows that a codec is fitted to
FORMAT = 4  # raise when the files or the way to make them change


class Unusable(str):
    """Why a clip cannot be used; travels from the workers in the clip's place."""


class _Reader(Dataset[CaptionedAudio | Unusable]):
    """A source whose unusable clips come back as their reason."""

    def __init__(self, source: Source, count: int) -> None:
        self.source, self.count = source, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> CaptionedAudio | Unusable:
        try:
            clip = self.source[index]
        except ValueError as error:
            return Unusable(error)
        return clip if clip.captions else Unusable(f"{clip.uid} has no caption")


def default_cache() -> Path:
    """Return ``$UAT_CACHE``, or ``uat-lightning`` in the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("UAT_CACHE", home / "uat-lightning"))


def read(source: Source, workers: int, label: str, count: int | None = None) -> Iterator[list[CaptionedAudio]]:
    """Yield the usable clips of a source in order, 64 at a time, with a progress bar; say which were left out.

    Args:
        source: The clips.
        workers: Processes that read.
        label: Words before the progress bar.
        count: Clips to read; all where None.

    Raises:
        ValueError: If no clip can be used.
    """
    reader = _Reader(source, min(len(source), count or len(source)))
    loader = DataLoader(reader, batch_size=64, num_workers=workers, collate_fn=list)
    reasons: list[str] = []
    usable = 0
    with tqdm(total=len(reader), desc=label, unit=" clips", leave=False, mininterval=0.5) as bar:
        for items in loader:
            clips = [item for item in items if isinstance(item, CaptionedAudio)]
            reasons += [item for item in items if isinstance(item, Unusable)]
            usable += len(clips)
            if clips:
                yield clips
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


def encode(source: Source, codec: Codec, tokenizer: Tokenizer, workers: int, label: str) -> LatentStore:
    """Encode all clips of a source, and say how many captions were too long for the canvas."""
    cut = 0
    encoded: list[EncodedClip] = []
    for clips in read(source, workers, label):
        cut += sum(beyond > 0 for beyond in tokenizer.overlong([text for clip in clips for text in clip.captions]))
        encoded += _encode_some(clips, codec, tokenizer)
    if cut:
        log.warning("%s: %d captions lost their last words, as the canvas has %d tokens", label, cut, tokenizer.canvas)
    return LatentStore.pack(encoded)


def _encode_some(clips: list[CaptionedAudio], codec: Codec, tokenizer: Tokenizer) -> list[EncodedClip]:
    canvas = tokenizer.encode([caption for clip in clips for caption in clip.captions])
    tokens = iter([row[:length].numpy() for row, length in zip(canvas.values, canvas.lengths.tolist(), strict=True)])
    # One by one: padding would cost memory, and reach back into the last frames of a codec with a wide view.
    return [
        EncodedClip(
            _latents(clip.waveform, codec),
            [next(tokens) for _ in clip.captions],
            None if clip.source is None else _latents(clip.source, codec),
        )
        for clip in clips
    ]


def _latents(waveform: NDArray[np.float32], codec: Codec) -> NDArray[np.float32]:
    latents: NDArray[np.float32] = codec.encode(torch.from_numpy(waveform)[None])[0].numpy()
    return latents


def fit_parts(sources: Sequence[tuple[Source, int]], codec: Codec, tokenizer: Tokenizer, workers: int) -> None:
    """Fit what needs it, codec or tokenizer, to the first clips of training sources: so many of each."""
    if codec.fitted and tokenizer.fitted:
        return
    label = "Fitting codec and tokenizer"
    clips = [clip for source, count in sources for some in read(source, workers, label, count) for clip in some]
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
