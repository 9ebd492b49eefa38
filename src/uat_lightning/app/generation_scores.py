"""How well a model generates what unseen clips' captions say."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from uat_lightning.app.captioning_scores import Scores, by_pairs
from uat_lightning.app.hearing import Events, event_scores
from uat_lightning.app.unseen import UnseenClip, batches
from uat_lightning.data.audio import loudness
from uat_lightning.metrics.audio.spectral import log_spectral_distance
from uat_lightning.tasks import Generate, Parts

CLIPPED = 1.0  # amplitude from which a sample cannot be written to a file


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


def sound_checks(parts: Parts, clips: Sequence[UnseenClip], waveforms: Sequence[Tensor]) -> Scores:
    """Return whether waveforms are sane: their lengths, their levels beside the true clips', samples out of range."""
    samples = [parts.codec.samples(unseen.clip.scene.duration) for unseen in clips]
    count = len(clips)
    return {
        "durations_right": sum(w.shape[1] == n for w, n in zip(waveforms, samples, strict=True)) / count,
        "not_finite": sum(not bool(torch.isfinite(w).all()) for w in waveforms) / count,
        "clipped": sum(bool((w.abs() > CLIPPED).any()) for w in waveforms) / count,
        "silent": sum(loudness(w).silent for w in waveforms) / count,
        "median_rms_dbfs": median(loudness(w).rms_dbfs for w in waveforms),
        "median_rms_dbfs_true": median(loudness(unseen.waveform).rms_dbfs for unseen in clips),
    }


def distance(waveform: Tensor, true: Tensor, sample_rate: int) -> float:
    """Return the log-spectral distance in dB of two waveforms (channels, samples), mixed to mono."""
    return float(log_spectral_distance(waveform.mean(0), true.mean(0), sample_rate))
