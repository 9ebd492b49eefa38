"""How well a model captions unseen clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan

from uat_lightning.app.hearing import event_scores
from uat_lightning.app.unseen import UnseenClip, batches
from uat_lightning.data.soundscapes import Clip, Parsed, parse
from uat_lightning.metrics.captioning import caption_scores
from uat_lightning.metrics.events import attribute_detection, detection, relation_accuracy
from uat_lightning.tasks import Caption, Parts

Scores = dict[str, float]


def captions_of(parts: Parts, clips: Sequence[UnseenClip], seed: int, batch_size: int) -> list[str]:
    """Caption clips; clip i of the list draws from seed + i."""
    texts: list[str] = []
    waveforms = [unseen.waveform for unseen in clips]
    for rows in batches(waveforms, batch_size, "Captioning"):
        texts += Caption().run(parts, waveforms[rows.start : rows.stop], seed, rows.start)
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
    read = [parse(caption) for caption in captions]
    found = [frozenset(mention.name for mention in parsed.mentions) for parsed in read]
    true = [frozenset(event.name for event in clip.scene.events) for clip in clips]
    right = [a == b for a, b in zip(found, true, strict=True)]
    known = {**event_scores(found, true), **_relations(clips, read, right), **_attributes(clips, read)}
    return known | _words(clips, captions)


def _words(clips: Sequence[Clip], captions: Sequence[str]) -> Scores:
    scores = caption_scores(captions, [clip.captions for clip in clips]).scores if clips else {}
    return {name: scores.get(name, nan) for name in ("bleu_4", "rouge_l", "cider_d")}


def _relations(clips: Sequence[Clip], read: Sequence[Parsed], right: Sequence[bool]) -> Scores:
    """Score the relations of clips with two or more events; a single event has none."""
    several = [row for row, clip in enumerate(clips) if len(clip.scene.events) > 1]
    said = [frozenset(read[row].relations) for row in several]
    true = [frozenset(clips[row].scene.relations) for row in several]
    score, each = relation_accuracy(said, true, [right[row] for row in several]), detection(said, true)
    return {
        "clips_with_relations": len(several),
        "relation_f1": each.f1,
        "relations_right": score.strict,
        "relations_right_given_events": score.given_events,
    }


def _attributes(clips: Sequence[Clip], read: Sequence[Parsed]) -> Scores:
    said = [{mention.name: mention.attributes for mention in parsed.mentions} for parsed in read]
    score = attribute_detection(said, [{e.name: e.attributes for e in clip.scene.events} for clip in clips])
    return {"attributes_right": score.precision, "attributes_named": score.recall}
