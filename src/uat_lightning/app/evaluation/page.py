"""The page of an evaluation: tables, distributions, the worst clips to hear and to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader

from uat_lightning.app.evaluation.record import ClipScores, Evaluation
from uat_lightning.app.evaluation.recordings import Recording
from uat_lightning.app.labels import label
from uat_lightning.app.media import sound

WORST, CHARTS, CARDS, BINS = 9, 6, 5, 24
NOTHING = 1e-6  # what is smaller is shown as 0
WIDTH, HEIGHT = 320, 96  # of a histogram, in units of its picture
# What matters most, first: of these the cards, the charts and the order of the worst are taken.
MATTERS = (
    "cider_d", "spider", "fense", "meteor", "rouge_l", "bleu_4", "bleu_1",
    "event_f1", "frechet_distance", "clap_score", "kl_reference_to_generated", "inception_score",
    "log_spectral_distance_db",
    "rms_dbfs", "loudness_lufs", "silent_share", "spectral_flatness", "seconds",
)  # fmt: skip
LESS_IS_BETTER = ("kl_", "bernoulli_kl_", "log_spectral_distance", "frechet_distance")


def render(evaluation: Evaluation, players: Mapping[str, Mapping[str, Recording]]) -> str:
    """Return the page, which needs no other file.

    Args:
        evaluation: What was found.
        players: The sounds of clips by what they are; only those of the worst clips are read.
    """
    environment = Environment(loader=PackageLoader("uat_lightning", "app"), autoescape=True, trim_blocks=True)
    environment.filters |= {"figure": figure, "label": label}
    each = _ordered(evaluation.per_clip)
    worst = worst_clips(evaluation)
    return environment.get_template("evaluation.html.jinja").render(
        evaluation=evaluation,
        each=each,
        cards=list(_ordered(evaluation.scores).items())[:CARDS],
        charts=[chart(name, values) for name, values in list(each.items())[:CHARTS]],
        worst=[(clip, _sounds(players.get(clip.id, {}))) for clip in worst],
        worst_by=_ruling(evaluation),
        protocol=json.dumps(asdict(evaluation.protocol), indent=2, ensure_ascii=False),
    )


def worst_clips(evaluation: Evaluation) -> list[ClipScores]:
    """Return the clips of the lowest scores, or the highest where less is better."""
    name = _ruling(evaluation)
    known = [clip for clip in evaluation.clips if name is not None and _has(clip, name)]
    return sorted(known, key=lambda clip: _badness(name, clip), reverse=True)[:WORST]


def chart(name: str, values: Sequence[float | None]) -> dict[str, Any]:
    """Return a histogram as bars: their places and heights in units of the picture, and what each stands for."""
    known = np.array([value for value in values if value is not None and np.isfinite(value)] or [0.0])
    counts, edges = np.histogram(known, min(BINS, max(1, len(set(known.tolist())))))
    step = WIDTH / len(counts)
    bars = [
        {
            "x": round(place * step + 1, 2),
            "width": round(min(step - 2, 48), 2),
            "height": round(max(HEIGHT * count / counts.max(), 1.5 if count else 0), 2),
            "tip": f"{figure(edges[place])} to {figure(edges[place + 1])}: {count} clips",
        }
        for place, count in enumerate(counts.tolist())
    ]
    median = float(np.median(known))
    return {"name": name, "bars": bars, "first": edges[0], "median": median, "last": edges[-1]}


def figure(value: float | None, digits: int = 4) -> str:
    """Return a number with as many digits as tell something."""
    if value is None or not np.isfinite(value):
        return "-"
    value = 0.0 if abs(value) < NOTHING else value
    return f"{value:.0f}" if value == int(value) or abs(value) >= 10**digits else f"{value:.{digits}g}"


def _ruling(evaluation: Evaluation) -> str | None:
    return next((name for name in _ordered(evaluation.per_clip) if any(evaluation.per_clip[name])), None)


def _has(clip: ClipScores, name: str) -> bool:
    value = clip.scores.get(name)
    return value is not None and bool(np.isfinite(value))


def _badness(name: str | None, clip: ClipScores) -> float:
    value = clip.scores[str(name)] or 0.0
    return value if str(name).startswith(LESS_IS_BETTER) else -value


def _ordered(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return scores with those first that matter most."""
    ranks = {name: place for place, name in enumerate(MATTERS)}
    return {name: scores[name] for name in sorted(scores, key=lambda name: ranks.get(name, len(ranks)))}


def _sounds(recordings: Mapping[str, Recording]) -> list[tuple[str, Any]]:
    return [(what, sound(*recording.original())) for what, recording in recordings.items()]
