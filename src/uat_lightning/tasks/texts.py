"""What the windows of some audio are, and what they are to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from uat_lightning.sampling.editing import Views
from uat_lightning.sampling.editing.views import WORDS_ALONE
from uat_lightning.tasks.base import Parts
from uat_lightning.tasks.caption import Caption
from uat_lightning.tasks.heard import HeardPointing
from uat_lightning.tasks.proposal import Proposal
from uat_lightning.text import Instruction, NotHeard, Said
from uat_lightning.types import Sequences


@dataclass(frozen=True)
class Texts:
    """The texts of windows; the model writes what is not given, when it is needed.

    Args:
        parts: The trained model.
        audio: Latents of the windows.
        numbers: The number of each window: it draws from ``seed`` plus that.
        given: The source's text of each window; the model writes it where None, nothing is said where empty.
        wishes: What is to be heard in each window: a caption, or an instruction to apply to the source's text.
        caption: Writes the source's texts.
        seed: Seed.
        proposal: Writes the source's text anew where an instruction names what the model's own text lacks.
    """

    parts: Parts
    audio: Sequences
    numbers: Sequence[int]
    given: Sequence[str | None]
    wishes: Sequence[str | Instruction]
    caption: Caption
    seed: int
    proposal: Proposal = field(default_factory=Proposal)

    @cached_property
    def sources(self) -> list[str]:
        """The source's text of each window."""
        texts = list(self.given)
        for some in self._runs([place for place, text in enumerate(texts) if text is None]):
            texts[some.start : some.stop] = self._written(some)
        return [text or "" for text in texts]

    @cached_property
    def targets(self) -> list[str]:
        """The target's text of each window; the source's where an instruction cannot be followed there."""
        return [target for target, _ in self._outcomes]

    @property
    def words(self) -> list[str]:
        """What was said of each window: an instruction that fits the canvas; elsewhere the target's text."""
        said = [self._words(place) for place in range(len(self.wishes))]
        return [target if words is None else words for words, target in zip(said, self.targets, strict=True)]

    def views(self, views: Views) -> list[Views]:
        """Return how much each way to know the target of a window counts, where all were to count as given."""
        return [views.without_words] * len(self.wishes)

    @property
    def complaints(self) -> list[str | None]:
        """Why no caption follows from the wish for a window; None where one does."""
        return [complaint for _, complaint in self._outcomes]

    @property
    def refusals(self) -> list[str | None]:
        """Why the wish for a window cannot be fulfilled; None where it can."""
        return self.complaints

    @property
    def sources_known(self) -> bool:
        """Whether anybody has asked for the sources' texts."""
        return "sources" in vars(self)

    @cached_property
    def _outcomes(self) -> list[tuple[str, str | None]]:
        return [self._outcome(place) for place in range(len(self.wishes))]

    def _outcome(self, place: int) -> tuple[str, str | None]:
        try:
            target = self._target(place)
            if target:
                self.parts.read([target])
        except ValueError as error:
            return self._instead(place), str(error)
        return target, None

    def _instead(self, place: int) -> str:
        """Return the target where the wish cannot be fulfilled: what is heard."""
        return self.sources[place]

    def _target(self, place: int) -> str:
        wish = self.wishes[place]
        if isinstance(wish, str):
            return wish
        audio = self._audio(range(place, place + 1))
        try:
            return wish.apply(self.sources[place], HeardPointing(self.parts, audio))
        except NotHeard as unheard:
            self.sources[place] = self._proposed(place, audio, unheard)
        return wish.apply(self.sources[place])

    def _proposed(self, place: int, audio: Sequences, unheard: NotHeard) -> str:
        """Return a text of the source that has what is named: a text that the model wrote may lack a sound.

        Raises:
            NotHeard: If the text was given, or what is named is not heard in the audio.
        """
        if self.given[place] is not None:
            raise unheard
        seed = self.seed + self.numbers[place]
        text = self.proposal.write(self.parts, audio, unheard.what, self.sources[place], seed)
        if text is None:
            raise unheard
        return text

    def _words(self, place: int) -> str | None:
        """Return the words of an instruction that fit the canvas; None where there are none."""
        wish = self.wishes[place]
        fit = isinstance(wish, Said) and self.parts.tokenizer.overlong([wish.words]) == [0]
        return wish.words if isinstance(wish, Said) and fit else None

    def _written(self, some: range) -> list[str]:
        written = self.caption.write(self.parts, self._audio(some), self.seed, self.numbers[some.start])
        return [self.parts.tokenizer.shortened(text) for text in written]

    def _audio(self, some: range) -> Sequences:
        return self.audio.take(slice(some.start, some.stop)).trimmed()

    def _runs(self, places: Sequence[int]) -> list[range]:
        """Return the longest runs of neighbours whose numbers are consecutive: what can be written at once."""
        runs: list[range] = []
        for place in places:
            follows = runs and runs[-1].stop == place and self.numbers[place] == self.numbers[place - 1] + 1
            runs = [*runs[:-1], range(runs[-1].start, place + 1)] if follows else [*runs, range(place, place + 1)]
        return runs


class ToldTexts(Texts):
    """The texts of windows for a method that reads captions and instructions.

    What no caption follows from is said alone, and so is what only adds: nothing that is heard has to be found for it.
    """

    def views(self, views: Views) -> list[Views]:
        """Return how much each way to know the target of a window counts, where all were to count as given."""
        return [self._views(place, views) for place in range(len(self.wishes))]

    def _views(self, place: int, views: Views) -> Views:
        if self._words(place) is None:
            return views.without_words
        wish = self.wishes[place]
        adds = isinstance(wish, Instruction) and wish.only_adds
        return WORDS_ALONE if adds or self.complaints[place] is not None else views

    @property
    def refusals(self) -> list[str | None]:
        """Why the wish for a window cannot be fulfilled: nothing can be told, and what was said is too long."""
        return [complaint if self._words(place) is None else None for place, complaint in enumerate(self.complaints)]

    def _proposed(self, place: int, audio: Sequences, unheard: NotHeard) -> str:
        """Keep the text as it is written: beside the source the words do without it."""
        if self._words(place) is not None:
            raise unheard
        return super()._proposed(place, audio, unheard)

    def _instead(self, place: int) -> str:
        words = self._words(place)
        return self.sources[place] if words is None else words


class SaidTexts(Texts):
    """The texts of windows for a method that follows instructions: they stay as they are said, in every window."""

    def views(self, views: Views) -> list[Views]:
        """Return what counts: the texts, whatever they are, beside the source."""
        return [Views()] * len(self.wishes)

    def _target(self, place: int) -> str:
        wish = self.wishes[place]
        if isinstance(wish, Instruction) and not isinstance(wish, Said):
            raise ValueError(f"a model follows words: give Said('add a bell') in the place of {wish}")
        return wish if isinstance(wish, str) else wish.words

    def _instead(self, place: int) -> str:
        return ""
