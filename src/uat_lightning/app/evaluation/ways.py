"""The three ways to an evaluation: somebody's captions, somebody's sounds, a model of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uat_lightning.app.captioning import Writer, best_writer, text_guidance, text_sampler
from uat_lightning.app.evaluation.caption_files import References, Said, read_captions, read_references
from uat_lightning.app.evaluation.captions import evaluate_captions, matched
from uat_lightning.app.evaluation.outcome import Outcome
from uat_lightning.app.evaluation.own_results import SOUNDSCAPES, OwnResults, open_clips
from uat_lightning.app.evaluation.record import Evaluation
from uat_lightning.app.evaluation.recordings import Recording, find_sounds
from uat_lightning.app.evaluation.sounds import Listening, Sounds, evaluate_sounds
from uat_lightning.app.model import open_model
from uat_lightning.data.soundscapes.scorer import SoundscapesEvents
from uat_lightning.metrics.captioning import CaptionScorer, Meteor, Treebank, Words, quick_scorers
from uat_lightning.sampling import Euler, PresencePenalty, RescaledGuidance, Writing
from uat_lightning.tasks import ChosenGenerate, Generate

FIRST_REFERENCE = "the first reference"


@dataclass(frozen=True)
class CaptionScoring:
    """How captions are scored.

    Args:
        words: How they are split into words.
        scorers: What is computed.
        missing: Clips that may lack a caption.
    """

    words: Words
    scorers: Sequence[CaptionScorer]
    missing: int = 0

    @classmethod
    def of(
        cls, words: Words | None, scorers: Sequence[CaptionScorer] | None, missing: int, data: str | None = None
    ) -> CaptionScoring:
        """Return what is given, and the usual where nothing is.

        Args:
            words: How captions are split into words.
            scorers: What is computed.
            missing: Clips that may lack a caption.
            data: What clips are captioned; of Soundscapes the right answers are known.

        Raises:
            ValueError: If fewer than no clips may be missing.
        """
        if missing < 0:
            raise ValueError(f"missing must not be negative, got {missing}")
        usual = [*quick_scorers(), Meteor(), *([SoundscapesEvents()] if data == SOUNDSCAPES else [])]
        return cls(words or Treebank(), usual if scorers is None else scorers, missing)

    def evaluate(self, said: Said, references: References, system: dict[str, Any]) -> Evaluation:
        """Score captions."""
        return evaluate_captions(said, references, self.scorers, self.words, system, self.missing)


@dataclass(frozen=True)
class ModelWork:
    """What a model of ours is to do.

    Args:
        model: Its folder.
        data: What it is scored on.
        clips: Most clips.
        seed: Seed of the first result.
        steps: Steps of solver or sampler.
        guidance: Scale; the task's own where None.
        candidates: Results from which the best is kept.
        batch_size: Clips at once.
        device: Where it works.
    """

    model: str
    data: str
    clips: int
    seed: int
    steps: int
    guidance: float | None
    candidates: int
    batch_size: int
    device: str


def of_captions(
    file: str, references: str | None, audio: str | None, scoring: CaptionScoring, name: str | None
) -> Outcome:
    """Score a file of captions.

    Args:
        file: The captions.
        references: The true ones.
        audio: Folder of the sounds.
        scoring: How to score.
        name: What the system is called.

    Raises:
        ValueError: If a file cannot be used.
    """
    if references is None:
        raise ValueError("--captions need --references: a file of true captions")
    said, true = read_captions(Path(file)), read_references(Path(references))
    heard = {} if audio is None else find_sounds(Path(audio))
    system = {"name": name or Path(file).stem, "captions": file, "references": references, "malformed": true.malformed}
    evaluation = scoring.evaluate(said, true, system)
    return Outcome(evaluation, _players_by_reference(heard, true))


def of_sounds(
    folder: str, against: str | None, prompts: str | None, listening: Listening, missing: int, name: str | None
) -> Outcome:
    """Score a folder of sounds.

    Args:
        folder: The sounds.
        against: Folder of true sounds.
        prompts: File of what was asked for.
        listening: How to listen.
        missing: Prompts that may lack a sound.
        name: What the system is called.

    Raises:
        ValueError: If a folder or a file cannot be used.
    """
    made = find_sounds(Path(folder))
    true = {} if against is None else find_sounds(Path(against))
    asked: dict[str, str] = {}
    if prompts is not None:
        references = read_references(Path(prompts))
        names = matched(made, references, missing)
        asked = {names[clip]: references.captions[clip][0] for clip in names}
    system = {"name": name or Path(folder).name, "sounds": folder, "against": against, "prompts": prompts}
    data = {"prompt": FIRST_REFERENCE} if asked else {}
    sounds = Sounds(made, true, asked)
    return Outcome(evaluate_sounds(sounds, listening, system, data), _players(sounds))


def of_model(
    work: ModelWork, task: str, scoring: CaptionScoring, listening: Listening, folder: Path, name: str | None
) -> Outcome:
    """Score a model.

    Args:
        work: What it is to do.
        task: "caption" or "generate".
        scoring: How captions are scored.
        listening: How to listen to sounds.
        folder: Where its sounds go.
        name: What the system is called.

    Raises:
        ValueError: If the model or the data cannot be used.
    """
    model = open_model(work.model, work.device)
    clips = open_clips(work.data, work.clips, model.pipeline.sample_rate, model.parts.codec.channels)
    results = OwnResults(model, clips, work.seed, work.batch_size)
    system = {"name": name or f"{Path(work.model).name}, {task}", **asdict(work), "model": model.identity}
    if task == "caption":
        said, references = results.captions(_writer(work, model.parts.writing))
        recordings = results.recordings(said.captions)
        return Outcome(
            scoring.evaluate(said, references, system),
            {clip: {"the clip": recording} for clip, recording in recordings.items()},
        )
    sounds = results.sounds(_generator(work), folder)
    return Outcome(evaluate_sounds(sounds, listening, system, {"prompt": FIRST_REFERENCE}), _players(sounds))


def _writer(work: ModelWork, writing: Writing) -> Writer:
    sampler = text_sampler(None, work.steps, None, work.candidates > 1, writing)
    guidance = None if work.guidance is None else text_guidance(work.guidance, sampler)
    likeliest = text_sampler(None, work.steps, None, False, writing)
    return best_writer(PresencePenalty(sampler), PresencePenalty(likeliest), guidance, work.candidates, "both")


def _generator(work: ModelWork) -> Generate | ChosenGenerate:
    guidance = None if work.guidance is None else RescaledGuidance(work.guidance, rescale=0.9)
    task = Generate(Euler(work.steps), guidance)
    return task if work.candidates == 1 else ChosenGenerate(task, candidates=work.candidates)


def _players(sounds: Sounds) -> dict[str, dict[str, Recording]]:
    return {
        name: {"scored": made, **({"true": sounds.true[name]} if name in sounds.true else {})}
        for name, made in sounds.made.items()
    }


def _players_by_reference(heard: Mapping[str, Recording], references: References) -> dict[str, dict[str, Recording]]:
    found = {references.find(name): recording for name, recording in heard.items()}
    return {clip: {"the clip": recording} for clip, recording in found.items() if clip is not None}
