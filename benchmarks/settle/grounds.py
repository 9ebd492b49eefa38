"""What the models are trained and tested on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from uat_lightning.app.hearing import Ears, Events, Heard
from uat_lightning.app.tagger import TaggerRecipe, trained_tagger
from uat_lightning.app.unseen import unseen_clips
from uat_lightning.data.soundscapes import Soundscapes, parse
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger
from uat_lightning.metrics.embedders.mono import mono
from uat_lightning.tasks import Parts


@dataclass(frozen=True)
class TestClip:
    """A clip that no model was trained on.

    Args:
        name: Its name.
        waveform: Its audio with the model's rate and channels, (channels, samples).
        prompt: A caption of it that fits the model's canvas.
        references: All its captions.
        events: What is to be heard in it.
        relations: How its events relate, where there are several.
    """

    name: str
    waveform: Tensor
    prompt: str
    references: Sequence[str]
    events: Events
    relations: frozenset[Any] = frozenset()


@dataclass(frozen=True)
class Read:
    """What a caption says: events, and how they relate."""

    events: Events
    relations: frozenset[Any] = frozenset()


class Ground(ABC):
    """A data set with a recipe to train on it.

    Attributes:
        name: Its name in files.
        base: The config of the joint model.
        seconds: Length of a training clip.
    """

    name: str
    base: str
    seconds: float

    @abstractmethod
    def options(self) -> list[str]:
        """Return options of ``uat fit`` beside the configs."""

    @abstractmethod
    def clips(self, parts: Parts) -> list[TestClip]:
        """Return the test clips, the shortest first."""

    @abstractmethod
    def read(self, caption: str) -> Read:
        """Return what a caption says."""

    @abstractmethod
    def tagger(self, sample_rate: int) -> ConvolutionalTagger:
        """Return what listens to sounds, trained on true ones where that has not been done yet.

        Args:
            sample_rate: Samples per second of the sounds, in Hz; one of another rate hears them resampled.
        """

    def prepare(self) -> None:  # noqa: B027  most have nothing to write
        """Write what trainings read, before the first."""

    def listen(self, waveforms: Sequence[Tensor], sample_rate: int) -> Heard:
        """Return what is heard in waveforms (channels, samples)."""
        tagger = self.tagger(sample_rate)
        return Ears(tagger).listen([mono(one, sample_rate, tagger.sample_rate)[None] for one in waveforms])

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Return what a protocol says of the test clips."""


@dataclass(frozen=True)
class SoundscapesGround(Ground):
    """The built-in data.

    Args:
        first: Number of the first test clip.
        count: Test clips.
        more: Further options of ``uat fit``.
        base: The config of the joint model.
        listener: How the tagger that listens is trained.
    """

    first: int = 600
    count: int = 400
    more: Sequence[str] = ()
    base: str = "quickstart.yaml"
    listener: TaggerRecipe = field(default_factory=TaggerRecipe)
    name: str = "soundscapes"
    seconds: float = 4.0

    def options(self) -> list[str]:
        """Return the options given."""
        return list(self.more)

    def clips(self, parts: Parts) -> list[TestClip]:
        """Return test clips; those without a caption that fits the canvas are left out."""
        soundscapes = Soundscapes(sample_rate=parts.codec.sample_rate)
        unseen = unseen_clips(soundscapes, parts, range(self.first, self.first + self.count))
        return [
            TestClip(
                f"test-{one.index}",
                one.waveform,
                one.prompt,
                one.clip.captions,
                one.events,
                frozenset(one.clip.scene.relations),
            )
            for one in unseen
        ]

    def read(self, caption: str) -> Read:
        """Return the events and relations that the caption grammar finds."""
        found = parse(caption)
        return Read(frozenset(mention.name for mention in found.mentions), frozenset(found.relations))

    def tagger(self, sample_rate: int) -> ConvolutionalTagger:
        """Return the tagger of real Soundscapes, trained once and kept in the cache."""
        return trained_tagger(Soundscapes(sample_rate=sample_rate), self.listener)[0]

    def about(self) -> dict[str, Any]:
        """Return the split and the numbers."""
        return {"data": "Soundscapes, seed 0, test split", "first": self.first, "asked_for": self.count}
