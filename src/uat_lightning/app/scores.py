"""All scores of a model on unseen Soundscapes, and what they were taken from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from math import isfinite
from statistics import fmean
from typing import Any

from torch import Tensor

from uat_lightning.app import captioning_scores as captioning
from uat_lightning.app import editing_scores as editing
from uat_lightning.app import generation_scores as generation
from uat_lightning.app.hearing import Ears, Events, event_scores
from uat_lightning.app.unseen import UnseenClip, UnseenEdit
from uat_lightning.sampling import Euler, Guidance, RescaledGuidance
from uat_lightning.sampling.editing import EditingMethod, Instructed, SDEdit, SourceConditioned
from uat_lightning.tasks import Caption, ChosenCaption, Edit, Generate, Parts


@dataclass(frozen=True)
class Settings:
    """How a model is put to the test.

    Args:
        seed: Seed of the first row of every list; row i has seed + i.
        steps: Euler steps of generation and editing.
        guidance: Scale of classifier-free guidance; by instruction it is the method's usual one.
        guidance_rescale: Share of its level that is taken back, 0 to 1.
        strength: Noise level from which edits start, 0 to 1.
        curve: Other noise levels, tried on a quarter of the edits.
        candidates: Results that an edit by a model trained for it is chosen from, in the model's own opinion.
        batch_size: Rows at once.
    """

    seed: int = 0
    steps: int = 16
    guidance: float = 4.0
    guidance_rescale: float = 0.9
    strength: float = 0.8
    curve: tuple[float, ...] = (0.5, 0.9)
    candidates: int = 4
    batch_size: int = 50

    @property
    def way(self) -> Guidance:
        """The guidance on captions."""
        return RescaledGuidance(self.guidance, rescale=self.guidance_rescale)


@dataclass
class Results:
    """What a model made of unseen clips, and the scores of it.

    Args:
        clips: The clips, shortest first.
        edits: The edits, shortest first.
        captions: The model's caption of each clip, the best of several.
        generated: The model's sound for each clip's prompt, with guidance.
        heard: The events heard in it.
        edited: The edit of each source: by instruction and beside the source where the model was trained on edits, else
            at the default strength.
        heard_edited: The events heard in it.
        scores: All scores by task.
        seconds: What each part took.
    """

    clips: Sequence[UnseenClip]
    edits: Sequence[UnseenEdit]
    captions: Sequence[str] = ()
    generated: Sequence[Tensor] = ()
    heard: Sequence[Events] = ()
    edited: Sequence[Tensor] = ()
    heard_edited: Sequence[Events] = ()
    scores: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Note the seconds that a part takes."""
        begun = time.perf_counter()
        yield
        self.seconds[part] = round(time.perf_counter() - begun, 1)


@dataclass(frozen=True)
class Examination:
    """Puts a model to the test.

    Args:
        parts: The model.
        ears: Hear what it makes.
        settings: How.
    """

    parts: Parts
    ears: Ears
    settings: Settings

    def run(self, clips: Sequence[UnseenClip], edits: Sequence[UnseenEdit]) -> Results:
        """Return what the model makes of clips and edits, with all scores."""
        results = Results(clips, edits)
        with results.timed("captioning"):
            self._caption(results)
        with results.timed("generation"):
            made = self._generate(results)
        with results.timed("listening"):
            self._listen(results, made)
        with results.timed("editing"):
            self._edit(results)
        return results

    def _caption(self, results: Results) -> None:
        results.captions, likeliest = (self._captions(results, task) for task in (ChosenCaption(), Caption()))
        others = [unseen.events for unseen in results.clips]
        chance = event_scores([*others[1:], *others[:1]], others)
        found = captioning.captioning_scores(results.clips, results.captions)
        single = captioning.captioning_scores(results.clips, likeliest)
        results.scores["captioning"] = {**found, "single_candidate": single["all"], "another_clips_events": chance}

    def _captions(self, results: Results, task: Caption) -> list[str]:
        return captioning.captions_of(self.parts, results.clips, task, self.settings.seed, self.settings.batch_size)

    def _generate(self, results: Results) -> dict[str, list[Tensor]]:
        results.generated = self._generated(results, self.settings.way, "Generating")
        unguided = self._generated(results, Guidance(1.0), "Generating without guidance")
        return {"guided": list(results.generated), "without_guidance": unguided}

    def _generated(self, results: Results, guidance: Guidance, label: str) -> list[Tensor]:
        settings = self.settings
        task = Generate(Euler(settings.steps), guidance)
        return generation.generate_all(self.parts, results.clips, task, settings.seed, settings.batch_size, label)

    def _listen(self, results: Results, made: dict[str, list[Tensor]]) -> None:
        """Score what was made, beside what no model should beat: the true clips, and what the codec leaves of them."""
        clips, true = results.clips, [unseen.waveform for unseen in results.clips]
        made |= {"codec": generation.round_trips(self.parts, clips, self.settings.batch_size), "true_clips": true}
        heard = {name: self.ears.listen(waveforms) for name, waveforms in made.items()}
        results.heard = heard["guided"].events
        scores: dict[str, Any] = {
            name: {
                **generation.hearing_scores(clips, heard[name].events),
                "sound": generation.sound_checks(self.parts, clips, waveforms),
                "distances": generation.distances(heard["true_clips"], heard[name]),
            }
            for name, waveforms in made.items()
        }
        rate = self.parts.codec.sample_rate
        scores["codec"]["distance_to_true_db"] = fmean(map(generation.distance, made["codec"], true, repeat(rate)))
        results.scores["generation"] = scores

    def _edit(self, results: Results) -> None:
        edits = results.edits
        results.edited = edited = self._edited(edits, self.settings.strength)
        scores = {"edited": self._edit_scores(edits, edited)}
        if self.parts.backbone.takes_source:
            results.edited = self._instructed(edits, SourceConditioned(), self.settings.candidates)
            scores["source_conditioned"] = self._edit_scores(edits, results.edited)
            single = self._instructed(edits, SourceConditioned())
            scores["source_conditioned_single"] = self._edit_scores(edits, single)
            scores["instructed"] = self._edit_scores(edits, self._instructed(edits, Instructed()))
        results.heard_edited = self.ears.hear(results.edited)
        results.scores["editing"] = {
            **scores,
            "unedited_sources": self._edit_scores(edits, [unseen.source for unseen in edits]),
            "true_targets": self._edit_scores(edits, [unseen.target for unseen in edits]),
            "curve": self._curve(edits, edited),
        }

    def _curve(self, edits: Sequence[UnseenEdit], edited: Sequence[Tensor]) -> list[dict[str, float]]:
        """Score several strengths on the quarter of the edits that come first in the split."""
        first = set(sorted(unseen.index for unseen in edits)[: max(1, len(edits) // 4)])
        few = [unseen for unseen in edits if unseen.index in first]
        made = {strength: self._edited(few, strength) for strength in self.settings.curve}
        known = zip(edits, edited, strict=True)
        made[self.settings.strength] = [waveform for unseen, waveform in known if unseen.index in first]
        return [{"strength": level, **self._edit_scores(few, made[level])["all"]} for level in sorted(made)]

    def _edited(self, edits: Sequence[UnseenEdit], strength: float) -> list[Tensor]:
        settings = self.settings
        task = Edit(SDEdit(strength), Euler(settings.steps), settings.way)
        label = f"Editing at strength {strength:g}"
        return editing.edit_all(self.parts, edits, task, settings.seed, settings.batch_size, label)

    def _instructed(self, edits: Sequence[UnseenEdit], method: EditingMethod, candidates: int = 1) -> list[Tensor]:
        settings, label = self.settings, f"Editing by instruction, {type(method).__name__}, best of {candidates}"
        guidance = RescaledGuidance(method.usual_guidance, rescale=settings.guidance_rescale)
        task = Edit(method, Euler(settings.steps), guidance)
        seed, rows, asks = settings.seed, settings.batch_size, editing.instructed
        return editing.edit_all(self.parts, edits, task, seed, rows, label, asks, candidates)

    def _edit_scores(self, edits: Sequence[UnseenEdit], waveforms: Sequence[Tensor]) -> dict[str, captioning.Scores]:
        return editing.editing_scores(edits, waveforms, self.ears.hear(waveforms), self.parts.codec.sample_rate)


def plain(value: Any) -> Any:  # noqa: ANN401
    """Return scores as JSON holds them: rounded, and nothing (null) where there was nothing to score."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 5) if isfinite(value) else None
    return value
