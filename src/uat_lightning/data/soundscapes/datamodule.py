"""Soundscapes as training data."""

from __future__ import annotations

from typing import Any

from uat_lightning.codec import Codec
from uat_lightning.data.audio_text import AudioTextDataModule
from uat_lightning.data.soundscapes.dataset import Soundscapes
from uat_lightning.data.source import CaptionedAudio, Source
from uat_lightning.text import Tokenizer


class SoundscapesSource(Source):
    """The first ``count`` clips of a split of Soundscapes.

    Args:
        soundscapes: The collection.
        split: "train", "validation" or "test".
        count: Number of clips.
    """

    def __init__(self, soundscapes: Soundscapes, split: str, count: int) -> None:
        self.soundscapes, self.split, self.count = soundscapes, split, count

    def __len__(self) -> int:
        """Return the number of clips."""
        return self.count

    def __getitem__(self, index: int) -> CaptionedAudio:
        """Render one clip."""
        clip = self.soundscapes.clip(self.split, index)
        return CaptionedAudio(clip.uid, clip.audio[None], clip.captions)


class SoundscapesDataModule(AudioTextDataModule):
    """Synthesised sound events with captions, made on the spot: nothing to download.

    Args:
        codec: Turns waveforms into latents; mono, at any rate.
        tokenizer: Turns captions into token ids.
        train_clips: Clips to train on.
        validation_clips: Clips to validate on.
        test_clips: Clips to test on.
        shortest: Shortest clip, in seconds.
        longest: Longest clip, in seconds.
        settings: Those of ``AudioTextDataModule``; its seed is the clips' as well.
    """

    def __init__(
        self,
        codec: Codec,
        tokenizer: Tokenizer,
        train_clips: int = 20_000,
        validation_clips: int = 256,
        test_clips: int = 256,
        shortest: float = 3.0,
        longest: float = 4.0,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(codec, tokenizer, **settings)
        self.counts = {"train": train_clips, "validation": validation_clips, "test": test_clips}
        self.soundscapes = Soundscapes(self.seed, codec.sample_rate, shortest, longest)

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that have clips."""
        return tuple(split for split, count in self.counts.items() if count)

    def source(self, split: str) -> Source:
        """Return the clips of a split."""
        return SoundscapesSource(self.soundscapes, split, self.counts[split])

    def description(self) -> dict[str, Any]:
        """Return the collection's settings and the counts."""
        return {"soundscapes": vars(self.soundscapes), **self.counts}
