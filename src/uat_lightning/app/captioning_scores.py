"""How well a model captions unseen clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan

from uat_lightning.app.unseen import UnseenClip, batches
from uat_lightning.data.soundscapes import Clip
from uat_lightning.data.soundscapes.scorer import SoundscapesEvents
from uat_lightning.metrics.captioning import caption_scores, quick_scorers
from uat_lightning.metrics.scenes import SCORES
from uat_lightning.tasks import Caption, Parts

Scores = dict[str, float]
NAMES = (*SCORES, "bleu_4", "rouge_l", "cider_d")


def captions_of(parts: Parts, clips: Sequence[UnseenClip], task: Caption, seed: int, batch_size: int) -> list[str]:
    """Caption clips; clip i of the list draws from seed + i."""
    texts: list[str] = []
    waveforms = [unseen.waveform for unseen in clips]
    for rows in batches(waveforms, batch_size, "Captioning"):
        texts += task.run(parts, waveforms[rows.start : rows.stop], seed, rows.start)
    return texts


def captioning_scores(clips: Sequence[UnseenClip], captions: Sequence[str]) -> dict[str, Scores]:
    """Return all scores of captions, over all clips and over those with held-out pairs of events."""

    def score(rows: Sequence[int]) -> Scores:
        return _scores([clips[row].clip for row in rows], [captions[row] for row in rows])

    return by_pairs(clips, score)


def by_pairs(clips: Sequence[UnseenClip], score: Callable[[Sequence[int]], Scores]) -> dict[str, Scores]:
    """Score all clips, and on their own those where a pair of events meets that never meets in training."""
    held_out = [row for row, unseen in enumerate(clips) if unseen.clip.scene.held_out]
    return {"all": score(range(len(clips))), "held_out_pairs": score(held_out)}


def _scores(clips: Sequence[Clip], captions: Sequence[str]) -> Scores:
    scorers = [SoundscapesEvents(), *quick_scorers()]
    scores = caption_scores(captions, [clip.captions for clip in clips], scorers).scores if clips else {}
    several = sum(len(clip.scene.events) > 1 for clip in clips)
    return {"clips": len(clips), "clips_with_relations": several, **{name: scores.get(name, nan) for name in NAMES}}
