"""How well a model generates what unseen clips' captions say."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from statistics import median

from torch import Tensor

from uat_lightning.app.captioning_scores import Scores, by_pairs
from uat_lightning.app.hearing import Events, Heard, event_scores
from uat_lightning.app.unseen import UnseenClip, batches
from uat_lightning.metrics.audio.divergence import bernoulli_kullback_leibler
from uat_lightning.metrics.audio.frechet import frechet_distance
from uat_lightning.metrics.audio.moments import Moments
from uat_lightning.metrics.audio.sanity import sanity
from uat_lightning.metrics.audio.spectral import log_spectral_distance
from uat_lightning.tasks import Generate, Parts

SURE = 30.0  # logit beyond which a sigmoid is as good as 0 or 1; its divergence would become infinite


def generate_all(
    parts: Parts, clips: Sequence[UnseenClip], task: Generate, seed: int, batch_size: int, label: str
) -> list[Tensor]:
    """Generate clips of the true durations from their prompts; clip i of the list draws from seed + i."""
    made: list[Tensor] = []
    for rows in batches([unseen.waveform for unseen in clips], batch_size, label):
        some = [clips[row] for row in rows]
        seconds = [unseen.clip.scene.duration for unseen in some]
        made += task.run(parts, [unseen.prompt for unseen in some], seconds, seed, rows.start)
    return made


def round_trips(parts: Parts, clips: Sequence[UnseenClip], batch_size: int) -> list[Tensor]:
    """Encode and decode clips: the best that generation can sound."""
    decoded: list[Tensor] = []
    waveforms = [unseen.waveform for unseen in clips]
    for rows in batches(waveforms, batch_size, "Coding"):
        some = waveforms[rows.start : rows.stop]
        decoded += parts.sound(parts.listen(some), [waveform.shape[1] for waveform in some])
    return decoded


def hearing_scores(clips: Sequence[UnseenClip], heard: Sequence[Events]) -> dict[str, Scores]:
    """Return how well what is heard agrees with the prompts, over all clips and those with held-out pairs."""

    def score(rows: Sequence[int]) -> Scores:
        return event_scores([heard[row] for row in rows], [clips[row].events for row in rows])

    return by_pairs(clips, score)


def distances(true: Heard, made: Heard) -> Scores:
    """Return how far clips are from the true ones in what the tagger hears.

    Args:
        true: What is heard in the true clips.
        made: What is heard in the others, in the same order.
    """
    p, q = (side.logits.double().clamp(-SURE, SURE).sigmoid() for side in (true, made))
    return {
        "clips": len(made.vectors),
        "frechet_distance": frechet_distance(Moments.of(true.vectors), Moments.of(made.vectors)),
        "kl_true_to_made": float(bernoulli_kullback_leibler(p, q).mean()),
        "kl_made_to_true": float(bernoulli_kullback_leibler(q, p).mean()),
    }


def sound_checks(parts: Parts, clips: Sequence[UnseenClip], waveforms: Sequence[Tensor]) -> Scores:
    """Return whether waveforms are sane: lengths, samples out of range, silence, levels, noise."""
    samples = [parts.codec.samples(unseen.clip.scene.duration) for unseen in clips]
    looks = [sanity(waveform, parts.codec.sample_rate) for waveform in waveforms]
    count = len(clips)
    return {
        "durations_right": sum(w.shape[1] == n for w, n in zip(waveforms, samples, strict=True)) / count,
        "not_finite": sum(look.not_finite_share > 0 for look in looks) / count,
        "clipped": sum(look.clipped_share > 0 for look in looks) / count,
        "silent": sum(look.silent_share == 1 for look in looks) / count,
        "median_rms_dbfs": _median([look.rms_dbfs for look in looks]),
        "median_loudness_lufs": _median([look.loudness_lufs for look in looks]),
        "median_silent_share": _median([look.silent_share for look in looks]),
        "median_spectral_flatness": _median([look.spectral_flatness for look in looks]),
    }


def _median(values: Sequence[float]) -> float:
    """Return the median of the clips that have the figure: silence has no spectrum, a short clip no loudness."""
    known = [value for value in values if value == value]
    return median(known) if known else nan


def distance(waveform: Tensor, true: Tensor, sample_rate: int) -> float:
    """Return the log-spectral distance in dB of two waveforms (channels, samples), mixed to mono."""
    return float(log_spectral_distance(waveform.mean(0), true.mean(0), sample_rate))
