"""What a model of ours makes of captioned clips, in the form in which anyone's results are scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from uat_lightning.app.captioning import Writer
from uat_lightning.app.evaluation.caption_files import References, Said
from uat_lightning.app.evaluation.recordings import Recording, SoundFile, SourceClip
from uat_lightning.app.evaluation.sounds import Sounds
from uat_lightning.app.model import OpenModel
from uat_lightning.data.audio import write_audio
from uat_lightning.data.corpora.folder import find_pairs
from uat_lightning.data.manifest import ManifestSource, read_manifest
from uat_lightning.data.soundscapes.corpus import SoundscapesCorpus
from uat_lightning.data.source import CaptionedAudio, Source
from uat_lightning.tasks import ChosenGenerate, Generate

SOUNDSCAPES = "soundscapes"
SPLIT = "test"


def open_clips(data: str, count: int, sample_rate: int, channels: int) -> Source:
    """Return captioned clips.

    Args:
        data: ``soundscapes`` for the test split of the built-in data, a manifest, or a folder of sound files with
            captions in text files beside them.
        count: Most clips.
        sample_rate: Samples per second wanted, in Hz.
        channels: Channels wanted.

    Raises:
        ValueError: If there are none.
    """
    if data == SOUNDSCAPES:
        return SoundscapesCorpus(test_clips=count).source(SPLIT, sample_rate, channels)
    place = Path(data).expanduser()
    if not place.exists():
        raise ValueError(f"{data} does not exist: name a manifest, a folder, or {SOUNDSCAPES}")
    listing = find_pairs(place) if place.is_dir() else read_manifest(place, place.parent)
    return ManifestSource(listing.report(data)[:count], sample_rate, channels)


@dataclass(frozen=True)
class OwnResults:
    """Puts a model to work on clips.

    Args:
        model: The model.
        clips: The clips, at the model's rate and channels.
        seed: Seed of the first clip; clip i has seed + i.
        batch_size: Clips at once.
    """

    model: OpenModel
    clips: Source
    seed: int
    batch_size: int

    def captions(self, write: Writer) -> tuple[Said, References]:
        """Return the model's caption and the true ones of every clip."""
        said: dict[str, str] = {}
        references = References()
        for rows, clips in self._batches("Captioning"):
            waveforms = [torch.from_numpy(clip.waveform) for clip in clips]
            texts = write(self.model.parts, waveforms, self.seed, rows.start)
            for clip, text in zip(clips, texts, strict=True):
                said[clip.uid] = text
                references.add(clip.uid, clip.captions)
        return Said(said), references

    def sounds(self, task: Generate | ChosenGenerate, folder: Path) -> Sounds:
        """Write the model's sound for the first caption that fits of every clip, as long as the clip.

        Args:
            task: How to generate.
            folder: Where to; a sound has its clip's number.

        Raises:
            ValueError: If no caption of a clip fits the model's canvas.
        """
        rate = self.model.pipeline.sample_rate
        made: dict[str, Recording] = {}
        true: dict[str, Recording] = {}
        prompts: dict[str, str] = {}
        notes: dict[str, dict[str, Any]] = {}
        for rows, clips in self._batches("Generating"):
            wanted = [self._prompt(clip) for clip in clips]
            seconds = [clip.waveform.shape[1] / rate for clip in clips]
            waveforms = task.run(self.model.parts, wanted, seconds, self.seed, rows.start)
            for row, clip, prompt, waveform in zip(rows, clips, wanted, waveforms, strict=True):
                file = folder / f"{row:05}.wav"
                gain = write_audio(file, waveform, rate)
                made[clip.uid], true[clip.uid] = SoundFile(file), SourceClip(self.clips, row, rate)
                prompts[clip.uid], notes[clip.uid] = prompt, {"file": file.name, "gain_db": gain}
        return Sounds(made, true, prompts, notes)

    def recordings(self, names: Iterable[str]) -> dict[str, Recording]:
        """Return the clips to listen to, by their names in order."""
        rate = self.model.pipeline.sample_rate
        return {name: SourceClip(self.clips, row, rate) for row, name in enumerate(names)}

    def _prompt(self, clip: CaptionedAudio) -> str:
        beyond = self.model.parts.tokenizer.overlong(clip.captions)
        fitting = (caption for caption, tokens in zip(clip.captions, beyond, strict=True) if not tokens)
        prompt = next(fitting, None)
        if prompt is None:
            raise ValueError(f"no caption of {clip.uid} fits the model's canvas: leave the clip out")
        return prompt

    def _batches(self, label: str) -> Iterator[tuple[range, Sequence[CaptionedAudio]]]:
        with tqdm(total=len(self.clips), desc=label, unit="clip", leave=False) as bar:
            for first in range(0, len(self.clips), self.batch_size):
                rows = range(first, min(first + self.batch_size, len(self.clips)))
                yield rows, [self.clips[row] for row in rows]
                bar.update(len(rows))
