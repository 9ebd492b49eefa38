"""Soundscapes as training data."""

from __future__ import annotations

from typing import Any

from uat_lightning.codec import Codec
from uat_lightning.data.audio_text import AudioTextDataModule, Share
from uat_lightning.data.soundscapes.corpus import SoundscapesCorpus
from uat_lightning.text import Tokenizer


class SoundscapesDataModule(AudioTextDataModule):
    """Synthesised sound events with captions, made on the spot: nothing to download.

    Args:
        codec: Turns waveforms into latents; at any rate from 16 kHz.
        tokenizer: Turns captions into token ids.
        train_clips: Clips to train on.
        validation_clips: Clips to validate on.
        test_clips: Clips to test on.
        shortest: Shortest clip, in seconds.
        longest: Longest clip, in seconds.
        seed: Seed of the clips and of the data order.
        settings: Those of ``AudioTextDataModule``.
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
        seed: int = 0,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        corpus = SoundscapesCorpus(train_clips, validation_clips, test_clips, shortest, longest, seed)
        super().__init__(codec, tokenizer, corpora={"soundscapes": Share(corpus)}, seed=seed, **settings)
