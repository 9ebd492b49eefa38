"""What a model shows of itself during training: tasks with something to do them on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.data.source import CaptionedAudio, Source
from uat_lightning.tasks import Caption, Edit, Generate, Parts


@dataclass(frozen=True)
class Sample:
    """Something to hear and to read.

    Args:
        audio: Audio of shape (channels, samples).
        text: The caption it was made from, or the one the model wrote.
        truth: The caption, or the captions, of the clip it began with; empty where it began with none.
        source: The audio before an edit, (channels, samples).
    """

    audio: Tensor
    text: str
    truth: str = ""
    source: Tensor | None = None


class ShownTask(ABC):
    """A task and what to do it on; row i uses ``seed + i``, whichever process does it."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of samples."""

    @abstractmethod
    def show(self, parts: Parts, clips: Source, rows: range, seed: int) -> list[Sample]:
        """Make the samples of some rows, from the validation clips where it needs any."""

    @abstractmethod
    def check(self, parts: Parts) -> None:
        """See that the task can be done with a model, before training begins.

        Raises:
            ValueError: If a prompt does not fit the canvas.
        """


class ShowGenerated(ShownTask):
    """Audio from prompts.

    Args:
        prompts: What is to be heard.
        seconds: Length of the audio.
        task: How to generate; as ``uat generate`` does where None.
    """

    def __init__(self, prompts: list[str], seconds: float = 4.0, task: Generate | None = None) -> None:
        self.prompts, self.seconds, self.task = prompts, seconds, task or Generate()

    @property
    def count(self) -> int:
        """Number of prompts."""
        return len(self.prompts)

    def check(self, parts: Parts) -> None:
        """Read the prompts."""
        parts.read(self.prompts)

    def show(self, parts: Parts, clips: Source, rows: range, seed: int) -> list[Sample]:
        """Generate audio of some prompts."""
        prompts = [self.prompts[row] for row in rows]
        made = self.task.run(parts, prompts, [self.seconds] * len(rows), seed, rows.start)
        return [Sample(audio, prompt) for audio, prompt in zip(made, prompts, strict=True)]


class ShowEdited(ShownTask):
    """The first validation clips, edited.

    Args:
        targets: What is to be heard in the end, one for each clip.
        longest: Seconds kept of a clip.
        task: How to edit; as ``uat edit`` does where None.
    """

    def __init__(self, targets: list[str], longest: float = 10.0, task: Edit | None = None) -> None:
        self.targets, self.longest, self.task = targets, longest, task or Edit()

    @property
    def count(self) -> int:
        """Number of targets."""
        return len(self.targets)

    def check(self, parts: Parts) -> None:
        """Read the targets."""
        parts.read(self.targets)

    def show(self, parts: Parts, clips: Source, rows: range, seed: int) -> list[Sample]:
        """Edit some clips."""
        used = first_usable(clips, rows)
        sources = [_beginning(clip, parts, self.longest) for clip in used]
        targets = self.targets[rows.start : rows.start + len(used)]
        made = self.task.run(parts, sources, targets, seed, rows.start)
        return [
            Sample(audio, target, clip.captions[0], source)
            for audio, target, clip, source in zip(made, targets, used, sources, strict=True)
        ]


class ShowCaptioned(ShownTask):
    """Captions of the first validation clips.

    Args:
        clips: Number of clips.
        longest: Seconds kept of a clip.
        task: How to caption; as ``uat caption`` does where None.
    """

    def __init__(self, clips: int = 4, longest: float = 10.0, task: Caption | None = None) -> None:
        self.clips, self.longest, self.task = clips, longest, task or Caption()

    @property
    def count(self) -> int:
        """Number of clips."""
        return self.clips

    def check(self, parts: Parts) -> None:
        """Accept any model: there is no prompt."""

    def show(self, parts: Parts, clips: Source, rows: range, seed: int) -> list[Sample]:
        """Caption some clips."""
        used = first_usable(clips, rows)
        waveforms = [_beginning(clip, parts, self.longest) for clip in used]
        texts = self.task.run(parts, waveforms, seed, rows.start)
        return [
            Sample(waveform, text, clip.captions[0])
            for waveform, text, clip in zip(waveforms, texts, used, strict=True)
        ]


def first_usable(clips: Source, rows: range) -> Sequence[CaptionedAudio]:
    """Return the clips of some rows, counting only those that can be used; fewer where there are not as many."""
    found: list[CaptionedAudio] = []
    for index in range(len(clips)):
        if len(found) == rows.stop:
            break
        try:
            found.append(clips[index])
        except ValueError:  # encoding has counted and named it already
            continue
    return found[rows.start :]


def _beginning(clip: CaptionedAudio, parts: Parts, seconds: float) -> Tensor:
    return torch.from_numpy(clip.waveform[:, : parts.codec.samples(seconds)])
