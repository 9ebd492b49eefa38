"""What an evaluation leaves: scores, what they depend on, and the scores of every clip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from platform import python_version
from typing import Any

FORMAT = 1  # raise when the file's layout changes
FILE = "scores.json"
PACKAGES = ("uat-lightning", "torch", "numpy", "scipy", "pycocoevalcap", "torchmetrics", "transformers", "soxr")


@dataclass(frozen=True)
class Protocol:
    """All that scores depend on. Two evaluations compare where ``data`` and ``method`` agree.

    Args:
        data: The true clips: their hash, how many there are, which of several captions counts.
        method: How was scored: tokenizer, scorers, embedder and tagger with the hashes of their weights, rates, level.
        system: What was scored and how it was made: files, model, seeds, candidates; nothing that has to agree.
        versions: Of Python, of packages, and of Java where it was used.
    """

    data: dict[str, Any]
    method: dict[str, Any]
    system: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipScores:
    """What is known of one clip.

    Args:
        id: Its name among the true clips.
        scores: Its scores by name; a score that the clip has not is None.
        notes: What else there is to read: the caption, its references, files, what a tagger hears.
        shares: What it adds to scores of all clips together, by name; the mean over clips is the score.
    """

    id: str
    scores: dict[str, float | None]
    notes: dict[str, Any] = field(default_factory=dict)
    shares: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """The outcome of an evaluation.

    Args:
        kind: "captions" or "sounds".
        protocol: What the scores depend on.
        scores: The scores of all clips together, by name; finite.
        not_computed: Why a score is absent, by its name.
        clips: The scores of single clips.
        true_scores: Those of ``scores`` that true clips have on their own, for comparison.
        intervals: Low and high end of the 95 % interval of each score that has one, over clips like these.
    """

    kind: str
    protocol: Protocol
    scores: dict[str, float]
    not_computed: dict[str, str]
    clips: Sequence[ClipScores]
    true_scores: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the scored system is called."""
        return str(self.protocol.system.get("name", self.kind))

    @property
    def per_clip(self) -> dict[str, list[float | None]]:
        """The scores of single clips by name, in the order of the clips."""
        names = dict.fromkeys(name for clip in self.clips for name in clip.scores)
        return {name: [clip.scores.get(name) for clip in self.clips] for name in names}

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps({"format": FORMAT, **_plain(asdict(self))}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, place: str | Path) -> Evaluation:
        """Read what ``to_json`` wrote.

        Args:
            place: The file, or the folder that holds it under its usual name.

        Raises:
            ValueError: If there is none, or it is of another kind.
        """
        file = Path(place) / FILE if Path(place).is_dir() else Path(place)
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            if found.pop("format") != FORMAT:
                raise ValueError("it has another format")
            clips = [ClipScores(**clip) for clip in found.pop("clips")]
            return _checked(cls(protocol=Protocol(**found.pop("protocol")), clips=clips, **found))
        except OSError as error:
            raise ValueError(f"{file} cannot be read: {error.strerror}: name what `uat evaluate` wrote") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{file} is no report of `uat evaluate`: {error}: evaluate anew") from error


def _checked(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation that somebody may have written by hand.

    Raises:
        ValueError: If scores are no numbers, or two clips have one id.
    """
    parts = vars(evaluation.protocol).values()
    own = [table for clip in evaluation.clips for table in (clip.scores, clip.shares)]
    tables: list[Any] = [evaluation.scores, *own]
    if not all(isinstance(table, dict) for table in (*parts, *tables, evaluation.not_computed)):
        raise ValueError("a part of it is no object")
    if not all(value is None or isinstance(value, (int, float)) for table in tables for value in table.values()):
        raise ValueError("a score is no number")
    if None in evaluation.scores.values():
        raise ValueError("a score of all clips is absent without a reason")
    if len({clip.id for clip in evaluation.clips}) < len(evaluation.clips):
        raise ValueError("two clips have one id")
    return evaluation


def finite(scores: Mapping[str, float]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the scores that are numbers, and reasons in place of the others."""
    known = {name: float(value) for name, value in scores.items() if isfinite(value)}
    return known, {name: "undefined for these clips" for name in scores if name not in known}


def versions(**further: str) -> dict[str, str]:
    """Return the versions of Python and of the packages that scores pass through, with further ones."""
    return {"python": python_version(), **{name: _version(name) for name in PACKAGES}, **further}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a checkout that is not installed
        return "unknown"


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return what JSON can hold: nothing (null) in place of numbers that are not finite."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
