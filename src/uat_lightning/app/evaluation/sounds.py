"""Anyone's sounds to scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import Any

from torch import Tensor
from tqdm import tqdm

from uat_lightning.app.evaluation.captions import digest
from uat_lightning.app.evaluation.intervals import with_intervals
from uat_lightning.app.evaluation.record import ClipScores, Evaluation, Protocol, finite, versions
from uat_lightning.app.evaluation.recordings import Recording, pairs, turned_to_peak
from uat_lightning.app.evaluation.sound_scores import (
    Heard,
    distribution_scores,
    event_scores,
    pair_scores,
    prompt_scores,
)
from uat_lightning.metrics.audio.sanity import sanity, summary
from uat_lightning.metrics.audio.spectral import log_spectral_distance
from uat_lightning.metrics.corpus_scores import CorpusScores
from uat_lightning.metrics.embedders import AudioEmbedder, AudioTagger
from uat_lightning.metrics.embedders.mono import mono

PAIR_RATE = 16_000  # Hz at which pairs are compared, whatever they were made at


@dataclass(frozen=True)
class Listening:
    """How sounds are listened to.

    Args:
        embedder: Its embeddings give the Frechet distance and, where it knows texts, the CLAP score.
        tagger: What it hears gives the divergences and the Inception Score.
        peak: Level in dBFS that every clip's peak is turned to before embedder and tagger hear it; as it is where None.
        points: Subsets for the Frechet distance at infinitely many clips; not computed where 0.
        batch_size: Clips listened to at once.
    """

    embedder: AudioEmbedder | None = None
    tagger: AudioTagger | None = None
    peak: float | None = None
    points: int = 0
    batch_size: int = 16

    def describe(self) -> dict[str, Any]:
        """Return all that scores depend on."""
        return {
            "embedder": _described(self.embedder),
            "tagger": _described(self.tagger),
            "level": "as it is" if self.peak is None else f"peak at {self.peak:g} dBFS",
            "channels": "mixed to mono",
            "resampling": "soxr HQ",
            "pair_rate": PAIR_RATE,
            "points_at_infinity": self.points or None,
        }

    def hear(self, recordings: Sequence[Recording], label: str) -> Heard:
        """Listen to sounds.

        Args:
            recordings: The sounds.
            label: Words before the progress bar.

        Raises:
            ValueError: If one cannot be used; the message names it.
        """
        heard = Heard()
        for some in _batches(recordings, self.batch_size, label):
            waveforms = [recording.original() for recording in some]
            heard.looks += [sanity(waveform, rate) for waveform, rate in waveforms]
            level = [(turned_to_peak(waveform, self.peak), rate) for waveform, rate in waveforms]
            if self.embedder is not None:
                heard.embeddings += self.embedder.embed(_at(self.embedder.sample_rate, level))
            if self.tagger is not None:
                heard.logits.append(self.tagger.logits(_at(self.tagger.sample_rate, level)))
        return heard


@dataclass(frozen=True)
class Sounds:
    """Sounds to score, and what they are to be like.

    Args:
        made: The sounds by name.
        true: The true ones, which need not be pairs.
        prompts: What was to be heard in a sound, by its name; for all of them or for none.
        notes: What to read beside a sound, by its name.
    """

    made: Mapping[str, Recording]
    true: Mapping[str, Recording] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def evaluate_sounds(sounds: Sounds, listening: Listening, system: dict[str, Any], data: dict[str, Any]) -> Evaluation:
    """Score sounds.

    Args:
        sounds: The sounds, the true ones and the prompts.
        listening: How to listen.
        system: What the record says of whoever made them.
        data: What the record says of the true ones besides their hash and number.

    Raises:
        ValueError: If sounds and true ones have some names in common, but not all, or one cannot be used.
    """
    both = pairs(sounds.made, sounds.true)
    made = listening.hear(list(sounds.made.values()), "Listening")
    true = listening.hear(list(sounds.true.values()), "Listening to true clips")
    places = [list(sounds.true).index(name) for name in both]
    apart = [_distance(sounds.made[name], sounds.true[name]) for name in tqdm(both, "Pairs", leave=False)]
    prompts = [sounds.prompts[name] for name in sounds.made] if sounds.prompts else []
    parts = [
        distribution_scores(made, true, listening.points),
        pair_scores(made, true, places, apart),
        prompt_scores(made, prompts, listening.embedder),
        event_scores(made, prompts, listening.tagger),
    ]
    found = reduce(CorpusScores.__or__, parts)
    scores, undefined = finite({**found.scores, **summary(made.looks)})
    data = {**data, **_data(sounds)}
    protocol = Protocol(data, listening.describe(), {**system, "sounds_sha256": _hash(sounds.made)}, versions())
    true_scores = finite(summary(true.looks))[0] if true.looks else {}
    clips = _clips(sounds, made, found)
    return with_intervals(Evaluation("sounds", protocol, scores, undefined | found.not_computed, clips, true_scores))


def _clips(sounds: Sounds, made: Heard, found: CorpusScores) -> list[ClipScores]:
    clips = []
    for row, name in enumerate(sounds.made):
        scores = {score: values[row] for score, values in found.per_clip.items()}
        shares: dict[str, float | None] = {score: values[row] for score, values in found.shares.items()}
        notes = {"prompt": sounds.prompts[name]} if sounds.prompts else {}
        looks = asdict(made.looks[row])
        clips.append(ClipScores(name, {**scores, **looks}, {**notes, **sounds.notes.get(name, {})}, shares))
    return clips


def _data(sounds: Sounds) -> dict[str, Any]:
    """Say which clips were to be made; their names matter where there are pairs or prompts."""
    known: dict[str, Any] = {"clips": len(sounds.made)}
    if sounds.prompts or pairs(sounds.made, sounds.true):
        known |= {"names_sha256": digest(dict.fromkeys(sounds.made, ""))}
    if sounds.true:
        known |= {"true_clips": len(sounds.true), "true_sha256": _hash(sounds.true)}
    if sounds.prompts:
        known |= {"prompts_sha256": digest(sounds.prompts)}
    return known


def _hash(recordings: Mapping[str, Recording]) -> str:
    return digest({name: recording.fingerprint() for name, recording in recordings.items()})


def _distance(made: Recording, true: Recording) -> float:
    """Return the log-spectral distance in dB over what both last."""
    first, second = (mono(*side.original(), PAIR_RATE) for side in (made, true))
    samples = min(len(first), len(second))
    return float(log_spectral_distance(first[:samples], second[:samples], PAIR_RATE))


def _at(rate: int, waveforms: Sequence[tuple[Tensor, int]]) -> list[Tensor]:
    return [mono(waveform, own, rate) for waveform, own in waveforms]


def _batches(recordings: Sequence[Recording], size: int, label: str) -> Iterator[Sequence[Recording]]:
    with tqdm(total=len(recordings), desc=label, unit="clip", leave=False, disable=not recordings) as bar:
        for first in range(0, len(recordings), size):
            yield recordings[first : first + size]
            bar.update(len(recordings[first : first + size]))


def _described(listener: AudioEmbedder | AudioTagger | None) -> dict[str, Any] | None:
    return None if listener is None else {"identity": listener.identity, "sample_rate": listener.sample_rate}
