"""Edits of Soundscapes as a corpus: true triplets of source, instruction and target."""

from __future__ import annotations

from typing import Any

import numpy as np

from uat_lightning.data.soundscapes.corpus import SoundscapesCorpus
from uat_lightning.data.soundscapes.dataset import Clip, Soundscapes
from uat_lightning.data.source import CaptionedAudio, Source


class SoundscapesEditsSource(Source):
    """The first ``count`` edits of a split of Soundscapes.

    Args:
        soundscapes: The collection.
        split: "train", "validation" or "test".
        count: Number of edits.
        instructions: Ways to say each instruction.
        targets: Captions of each target that stand beside its instructions.
        channels: Channels wanted; all hold the same.
    """

    def __init__(
        self,
        soundscapes: Soundscapes,
        split: str,
        count: int,
        instructions: int = 4,
        targets: int = 1,
        channels: int = 1,
    ) -> None:
        self.soundscapes, self.split, self.count = soundscapes, split, count
        self.instructions, self.targets, self.channels = instructions, targets, channels

    def __len__(self) -> int:
        """Return the number of edits."""
        return self.count

    def __getitem__(self, index: int) -> CaptionedAudio:
        """Render the target of an edit and its source."""
        edit = self.soundscapes.edit(self.split, index)
        said = self.soundscapes.instructions(self.split, index, self.instructions)
        captions = (*said, *edit.target.captions[: self.targets])
        return CaptionedAudio(edit.target.uid, self._audio(edit.target), captions, self._audio(edit.source))

    def _audio(self, clip: Clip) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.repeat(clip.audio[None], self.channels, 0)


class SoundscapesEdits(SoundscapesCorpus):
    """Scenes with one event more, one less or another one, with instructions: made on the spot, nothing to download.

    What is not asked for is the same in source and target, to the last bit. Pairs of classes that are held out from
    training do not meet here either.

    Args:
        train_clips: Edits to train on.
        validation_clips: Edits to validate on.
        test_clips: Edits to test on.
        instructions: Ways to say each instruction, at least 1.
        targets: Captions of each target that stand beside its instructions, so that a model learns to edit towards a
            caption as well; at most 5.
        shortest: Shortest clip, in seconds.
        longest: Longest clip, in seconds.
        seed: Seed of the edits.
    """

    holds_edits = True

    def __init__(
        self,
        train_clips: int = 20_000,
        validation_clips: int = 128,
        test_clips: int = 0,
        instructions: int = 4,
        targets: int = 1,
        shortest: float = 3.0,
        longest: float = 4.0,
        seed: int = 0,
    ) -> None:
        if instructions < 1 or not 0 <= targets <= 5:
            wanted = "at least 1 instruction and 0 to 5 captions of the target"
            raise ValueError(f"each edit needs {wanted}, got {instructions} and {targets}")
        super().__init__(train_clips, validation_clips, test_clips, shortest, longest, seed)
        self.instructions, self.targets = instructions, targets

    def source(self, split: str, sample_rate: int, channels: int) -> Source:
        """Return the edits of a split, rendered at any rate from 16 kHz."""
        soundscapes = Soundscapes(self.seed, sample_rate, self.shortest, self.longest)
        each = self.instructions, self.targets, channels
        return SoundscapesEditsSource(soundscapes, split, self.counts[split], *each)

    def description(self) -> dict[str, Any]:
        """Return the collection's settings, the counts and what is said of each edit."""
        settings = {"seed": self.seed, "shortest": self.shortest, "longest": self.longest}
        said = {"instructions": self.instructions, "targets": self.targets}
        return {"soundscapes_edits": settings, **said, **self.counts}
