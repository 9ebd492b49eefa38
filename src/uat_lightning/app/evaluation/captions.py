"""Anyone's captions to scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from uat_lightning.app.evaluation.caption_files import References, Said
from uat_lightning.app.evaluation.intervals import with_intervals
from uat_lightning.app.evaluation.record import ClipScores, Evaluation, Protocol, finite, versions
from uat_lightning.metrics.captioning import CaptionScorer, JavaTreebank, Meteor, Words, caption_scores
from uat_lightning.metrics.captioning.java import java_version
from uat_lightning.metrics.captioning.scores import NotComputable
from uat_lightning.metrics.corpus_scores import CorpusScores

NOBODY_ASKED = "no scorer for it was named, see --scorers"
WANTED = ("meteor", "spice", "spider", "spider_fl", "sentence_similarity", "fense")  # papers report these


def matched(said: Mapping[str, Any], references: References, missing: int = 0) -> dict[str, str]:
    """Return what everybody's name of a clip is, by the id that the references have for it, in their order.

    Args:
        said: Something by the names that somebody has for the clips.
        references: The true captions.
        missing: Clips that may lack a name.

    Raises:
        ValueError: If a name is of no clip or two names are of one, or more clips lack one.
    """
    found: dict[str, str] = {}
    for name in said:
        clip = references.find(name)
        if clip is None:
            raise ValueError(
                f"{name} is not among the {len(references.captions)} clips of the references: leave it out"
            )
        if clip in found:
            raise ValueError(f"{found[clip]} and {name} are both {clip} of the references: give one for each clip")
        found[clip] = name
    absent = [clip for clip in references.captions if clip not in found]
    if len(absent) > missing:
        count = f"{len(absent)} of {len(references.captions)} clips of the references"
        raise ValueError(f"{count} are missing, the first is {absent[0]}: add them, or allow for it with --missing")
    return {clip: found[clip] for clip in references.captions if clip in found}


def evaluate_captions(
    said: Said,
    references: References,
    scorers: Sequence[CaptionScorer],
    words: Words,
    system: dict[str, Any],
    missing: int = 0,
) -> Evaluation:
    """Score captions.

    Args:
        said: One caption for each clip.
        references: The true captions.
        scorers: What to compute.
        words: How captions are split into words.
        system: What the record says of whoever wrote them.
        missing: Clips that may lack a caption.

    Raises:
        ValueError: If captions and references do not fit, or cannot be scored.
    """
    names = matched(said.captions, references, missing)
    written = {clip: said.captions[name] for clip, name in names.items()}
    true = {clip: references.captions[clip] for clip in names}
    result = caption_scores(list(written.values()), list(true.values()), scorers, words)
    scores, undefined = finite(result.scores)
    nobody = {name: NOBODY_ASKED for name in WANTED if name not in scores}
    choice = f"the first of several for {said.several} clips" if said.several else "the only one of each clip"
    system = {
        **system,
        "caption_choice": choice,
        "sha256": digest(written),
        "missing": len(references.captions) - len(names),
    }
    data = {"sha256": digest(true), "clips": len(true), "references": sum(map(len, true.values()))}
    method = {"words": words.describe(), "scorers": dict(tuple(scorer.describe().values()) for scorer in scorers)}
    protocol = Protocol(data, method, system, versions(**_java(scorers, words)))
    reasons = {**nobody, **undefined, **result.not_computed}
    return with_intervals(Evaluation("captions", protocol, scores, reasons, _clips(written, true, result)))


def digest(values: Mapping[str, object]) -> str:
    """Return the SHA-256 of values by clip; their order does not matter."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _clips(written: Mapping[str, str], true: Mapping[str, Sequence[str]], result: CorpusScores) -> list[ClipScores]:
    return [
        ClipScores(
            clip,
            {name: values[row] for name, values in result.per_clip.items()},
            {"caption": text, "references": list(true[clip])},
            {name: values[row] for name, values in result.shares.items()},
        )
        for row, (clip, text) in enumerate(written.items())
    ]


def _java(scorers: Sequence[CaptionScorer], words: Words) -> dict[str, str]:
    """Return the version of Java where somebody asks for it and it is there."""
    if not isinstance(words, JavaTreebank) and not any(isinstance(scorer, Meteor) for scorer in scorers):
        return {}
    try:
        return {"java": java_version()}
    except NotComputable:
        return {}
