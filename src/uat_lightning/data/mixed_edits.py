"""Edits of any captioned clips: two or three of them, mixed with one more, one less or another one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from uat_lightning.data.audio.loudness import loudness
from uat_lightning.data.corpus import Corpus
from uat_lightning.data.instructing import adding, deleting, replacing, together
from uat_lightning.data.mixing import FADE, Placing, Samples, draw_placing, placed, under_common_gain
from uat_lightning.data.source import CaptionedAudio, Source

SPLITS = {"train": 0, "validation": 1, "test": 2}
OPERATIONS = ("add", "delete", "replace")


@dataclass(frozen=True)
class Mixing:
    """How clips are mixed.

    Args:
        instructions: Ways to say each instruction, at least 1.
        targets: Captions of each target that stand beside them.
        shortest: Share of the clip that an event lasts at least, above 0 to 1.
        decibels: How much louder or quieter than the clip it is at most.
        longest: Seconds kept of a clip.
        seed: Seed of everything drawn.
    """

    instructions: int = 3
    targets: int = 1
    shortest: float = 0.3
    decibels: float = 6.0
    longest: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.instructions < 1 or self.targets < 0:
            raise ValueError(f"each edit needs an instruction, got {self.instructions} and {self.targets} captions")
        if not (0 < self.shortest <= 1 and self.decibels >= 0 and self.longest > 0):
            wanted = "shortest is a share above 0 to 1, decibels 0 or more, longest above 0 seconds"
            raise ValueError(f"{wanted}, got {self.shortest}, {self.decibels} and {self.longest}")


@dataclass(frozen=True)
class Change:
    """What an edit does.

    Args:
        kept: The clip that stays.
        old: What sounds over it before; nothing where None.
        new: What sounds over it afterwards; nothing where None.
    """

    kept: CaptionedAudio
    old: CaptionedAudio | None
    new: CaptionedAudio | None

    @property
    def events(self) -> tuple[CaptionedAudio | None, CaptionedAudio | None]:
        """What sounds over the clip that stays, before and afterwards."""
        return self.old, self.new

    def instruction(self, rng: Generator, end: str) -> str:
        """Say what to do, each event in one of its captions; ``end`` is the end of the clip that it sounds at."""
        if self.old is None:
            return adding(rng, _caption(rng, self.new or self.kept), end)
        if self.new is None:
            return deleting(rng, _caption(rng, self.old))
        return replacing(rng, _caption(rng, self.old), _caption(rng, self.new))

    def target(self, rng: Generator) -> str:
        """Say what is to be heard in the end."""
        return together(*(_caption(rng, clip) for clip in (self.kept, self.new) if clip is not None))


def _caption(rng: Generator, clip: CaptionedAudio) -> str:
    return clip.captions[int(rng.integers(len(clip.captions)))]


class MixedEditsSource(Source):
    """Edits as a function of seed, split and index alone.

    Args:
        clips: What is mixed, at least three clips.
        split: Its split.
        count: Number of edits.
        mixing: How.
        sample_rate: Samples per second of the clips, in Hz.

    Raises:
        ValueError: If there are fewer than three clips.
    """

    def __init__(self, clips: Source, split: str, count: int, mixing: Mixing, sample_rate: int) -> None:
        if len(clips) < len(OPERATIONS):
            raise ValueError(f"edits are mixed from three clips, and the {split} split has {len(clips)}")
        self.clips, self.split, self.count = clips, split, count
        self.mixing, self.sample_rate = mixing, sample_rate

    def __len__(self) -> int:
        """Return the number of edits."""
        return self.count

    def uid(self, index: int) -> str:
        """Return the name of an edit."""
        return f"mixed/{self.split}/{index:07d}"

    def __getitem__(self, index: int) -> CaptionedAudio:
        """Mix one edit.

        Raises:
            ValueError: If one of its clips cannot be used; the message says why.
        """
        rng = np.random.default_rng([self.mixing.seed, SPLITS[self.split], index])
        change = self._draw(rng)
        samples = change.kept.waveform.shape[1]
        placing = draw_placing(rng, samples, self.mixing.shortest, self.mixing.decibels)
        source, target = under_common_gain(*(self._mixed(change.kept, event, placing) for event in change.events))
        said = [change.instruction(rng, placing.end(samples)) for _ in range(self.mixing.instructions)]
        wanted = [change.target(rng) for _ in range(self.mixing.targets)]
        return CaptionedAudio(self.uid(index), target, (*said, *wanted), source)

    def _draw(self, rng: Generator) -> Change:
        kept, event, other = (int(number) for number in rng.choice(len(self.clips), 3, replace=False))
        operation = OPERATIONS[int(rng.integers(len(OPERATIONS)))]
        old = None if operation == "add" else self._clip(event)
        new = None if operation == "delete" else self._clip(event if operation == "add" else other)
        return Change(self._clip(kept), old, new)

    def _clip(self, number: int) -> CaptionedAudio:
        clip = self.clips[number]
        longest = max(1, round(self.mixing.longest * self.sample_rate))
        if not clip.captions:
            raise ValueError(f"{clip.uid} has no caption")
        waveform = clip.waveform[:, :longest]
        if loudness(waveform).silent:
            raise ValueError(f"{clip.uid} is silent")
        return CaptionedAudio(clip.uid, waveform, clip.captions)

    def _mixed(self, kept: CaptionedAudio, event: CaptionedAudio | None, placing: Placing) -> Samples:
        if event is None:
            return kept.waveform
        return kept.waveform + placed(event.waveform, kept.waveform, placing, round(FADE * self.sample_rate))


class MixedEdits(Corpus):
    """Edits made of the clips of any corpus, as AUDIT made its own (arXiv 2304.00830, section 4.2).

    A clip stays; over it sounds a second one, which is added, removed or gives way to a third. What stays is the same
    in source and target, under one gain. Where, how loud and in what words is a function of the seed and the number of
    the edit. Edits of clips that cannot be used, or are silent, are left out and reported.

    Args:
        corpus: The captioned clips.
        train_clips: Edits to train on.
        validation_clips: Edits to validate on, of the corpus's validation clips where it has some.
        mixing: How clips are mixed; as ``Mixing()`` where None.
    """

    holds_edits = True

    def __init__(
        self, corpus: Corpus, train_clips: int = 50_000, validation_clips: int = 200, mixing: Mixing | None = None
    ) -> None:
        self.corpus, self.mixing = corpus, mixing or Mixing()
        self.counts = {"train": train_clips, "validation": validation_clips}

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that have edits."""
        return tuple(split for split in self.corpus.split_names if self.counts.get(split))

    def over(self, corpus: Corpus) -> MixedEdits:
        """Return edits of another corpus, made in the same way."""
        return MixedEdits(corpus, self.counts["train"], self.counts["validation"], self.mixing)

    def source(self, split: str, sample_rate: int, channels: int) -> Source:
        """Return the edits of a split.

        Raises:
            ValueError: If the split has fewer than three clips.
        """
        clips = self.corpus.source(split, sample_rate, channels)
        return MixedEditsSource(clips, split, self.counts[split], self.mixing, sample_rate)

    def description(self) -> dict[str, Any]:
        """Return how edits are made, how many, and the description of the clips."""
        return {"mixed_edits": asdict(self.mixing), **self.counts, "of": self.corpus.description()}
