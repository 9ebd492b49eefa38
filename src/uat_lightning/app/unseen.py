"""Test clips and edits that no model was trained on, in the order in which a report works through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from tqdm import tqdm

from uat_lightning.data.soundscapes import Clip, Edit, Soundscapes
from uat_lightning.tasks import Parts

SPLIT = "test"
WORDINGS = 4  # of an instruction, of which the first that fits is used


@dataclass(frozen=True)
class UnseenClip:
    """A test clip.

    Args:
        index: Its number in the test split.
        clip: The clip.
        waveform: Its audio with the model's channels, (channels, samples).
        prompt: The first of its captions that fits the model's canvas.
    """

    index: int
    clip: Clip
    waveform: Tensor
    prompt: str

    @property
    def events(self) -> frozenset[str]:
        """The classes of its events."""
        return frozenset(event.name for event in self.clip.scene.events)


@dataclass(frozen=True)
class UnseenEdit:
    """An edit that no model was trained on.

    Args:
        index: Its number in its split.
        edit: The edit.
        source: Audio before the edit, (channels, samples).
        target: True audio after the edit, (channels, samples).
        prompt: The first caption of the target that fits the model's canvas.
        heard: The first caption of the source that fits; empty where none does.
        instruction: The first way to say the instruction that fits; empty where none does.
    """

    index: int
    edit: Edit
    source: Tensor
    target: Tensor
    prompt: str
    heard: str = ""
    instruction: str = ""

    @property
    def before(self) -> frozenset[str]:
        """The classes of the source's events."""
        return frozenset(event.name for event in self.edit.source.scene.events)

    @property
    def after(self) -> frozenset[str]:
        """The classes of the target's events."""
        return frozenset(event.name for event in self.edit.target.scene.events)


def unseen_clips(soundscapes: Soundscapes, parts: Parts, indices: range) -> list[UnseenClip]:
    """Return some test clips, the shortest first; those without a caption that fits the canvas are left out."""
    found = []
    for index in _bar(indices, "Rendering test clips"):
        clip = soundscapes.clip(SPLIT, index)
        if prompt := _fitting(parts, clip.captions):
            found.append(UnseenClip(index, clip, _waveform(clip, parts), prompt))
    return sorted(found, key=lambda unseen: (unseen.waveform.shape[1], unseen.index))


def unseen_edits(soundscapes: Soundscapes, parts: Parts, indices: range, split: str = SPLIT) -> list[UnseenEdit]:
    """Return some edits of a split, the shortest first; those without a caption that fits the canvas are left out.

    Where the model follows instructions, those without an instruction that fits are left out as well.
    """
    found = []
    for index in _bar(indices, "Rendering edits"):
        edit = soundscapes.edit(split, index)
        prompt = _fitting(parts, edit.target.captions)
        said = _fitting(parts, soundscapes.instructions(split, index, WORDINGS)) or ""
        if prompt and (said or not parts.backbone.takes_source):
            source, target = _waveform(edit.source, parts), _waveform(edit.target, parts)
            heard = _fitting(parts, edit.source.captions) or ""
            found.append(UnseenEdit(index, edit, source, target, prompt, heard, said))
    return sorted(found, key=lambda unseen: (unseen.source.shape[1], unseen.index))


def batches(waveforms: Sequence[Tensor], size: int, label: str) -> tqdm[range]:
    """Yield rows of waveforms of one length, up to ``size`` at a time, with a progress bar.

    Rows of several lengths would be padded, and decoded once more on their own.

    Args:
        waveforms: Audio (channels, samples), sorted by length.
        size: Most rows at a time.
        label: Words before the progress bar.
    """
    ends = [row for row in range(1, len(waveforms)) if waveforms[row].shape != waveforms[row - 1].shape]
    spans = pairwise([0, *ends, len(waveforms)])
    rows = [range(first, min(first + size, end)) for start, end in spans for first in range(start, end, size)]
    return tqdm(rows, desc=label, unit="batch", leave=False)


def _bar(indices: range, label: str) -> tqdm[int]:
    return tqdm(indices, desc=label, unit="clip", leave=False)


def _fitting(parts: Parts, captions: Sequence[str]) -> str | None:
    beyond = parts.tokenizer.overlong(captions)
    return next((caption for caption, tokens in zip(captions, beyond, strict=True) if not tokens), None)


def _waveform(clip: Clip, parts: Parts) -> Tensor:
    return torch.from_numpy(clip.audio).expand(parts.codec.channels, -1)
