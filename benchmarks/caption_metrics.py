"""What scoring captions costs: the default scores against ``pycocoevalcap`` with its own tokenizer, which is in Java.

Run ``python benchmarks/caption_metrics.py --captions FILE``: both take turns in one process, on the same captions, and
medians are compared. FILE is a CSV file with the columns ``caption_1`` to ``caption_5``, as Clotho's are; the first is
scored against the other four. Without it, made-up captions with a vocabulary of the same kind are scored.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import importlib.metadata
import itertools
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from uat_lightning.metrics.captioning import caption_scores
from uat_lightning.metrics.captioning.java import java_version

Rows = list[list[str]]
PAGE = """# What scoring captions costs

{clips} captions against 4 references each: BLEU-1 to 4, ROUGE-L and CIDEr-D; ours with vocabulary and distinct-n.
Medians of {rounds} rounds in which both have their turn. {machine}, {date}.

| | seconds by the clock | seconds of processors |
|---|---|---|
"""
CLOSING = """{times_faster_clock:.2f} times faster by the clock, {times_faster_processors:.2f} times by processors;
medians of the rounds' ratios. The largest difference of a score is {largest_difference:.1e}.
"""
NAMES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d")


def read(files: list[Path], clips: int) -> Rows:
    """Return the captions of clips, the files' rows again from the first where there are too few."""
    rows = [row for path in files for row in csv.DictReader(path.open(newline="", encoding="utf-8"))]
    captions = [[row[f"caption_{number}"] for number in range(1, 6)] for row in rows]
    return list(itertools.islice(itertools.cycle(captions), clips))


def made_up(clips: int) -> Rows:
    """Return captions of 8 to 20 words, frequent words being more frequent as in language."""
    source, words = random.Random(0), [f"w{number}" for number in range(4000)]
    frequency = [1 / (place + 2) for place in range(len(words))]
    return [
        [" ".join(source.choices(words, frequency, k=source.randint(8, 20))) + "." for _ in range(5)]
        for _ in range(clips)
    ]


def ours(rows: Rows) -> dict[str, float]:
    """Return the scores of this package."""
    scores = caption_scores([row[0] for row in rows], [row[1:] for row in rows]).scores
    return {name: scores[name] for name in NAMES}


def theirs(rows: Rows) -> dict[str, float]:
    """Return the scores of ``pycocoevalcap``."""
    tokenizer = PTBTokenizer()
    said = tokenizer.tokenize({clip: [{"caption": row[0]}] for clip, row in enumerate(rows)})
    true = tokenizer.tokenize({clip: [{"caption": text} for text in row[1:]] for clip, row in enumerate(rows)})
    bleu = Bleu(4).compute_score(true, said, verbose=0)[0]
    rest = [Rouge().compute_score(true, said)[0], Cider().compute_score(true, said)[0]]
    return {name: float(value) for name, value in zip(NAMES, [*bleu, *rest], strict=True)}


def timed(score: Callable[[Rows], dict[str, float]], rows: Rows) -> tuple[dict[str, float], float, float]:
    """Return scores, seconds by the clock and seconds of processors, those of Java included."""
    wall, used = time.perf_counter(), os.times()
    scores = score(rows)
    now = os.times()
    return scores, time.perf_counter() - wall, sum(now[:4]) - sum(used[:4])


def report(result: dict[str, object]) -> str:
    """Return the result as a page."""
    ways = result["seconds"]
    assert isinstance(ways, dict)
    rows = [f"| {name} | {way['clock']:.2f} | {way['processors']:.2f} |" for name, way in ways.items()]
    return "\n".join([*PAGE.format_map(result).splitlines(), *rows, "", CLOSING.format_map(result)])


def main() -> None:
    """Measure and write ``results/caption_metrics.json`` and ``.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captions", type=Path, nargs="*", default=[])
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    rows = read(chosen.captions, chosen.clips) if chosen.captions else made_up(chosen.clips)
    rounds = [(timed(ours, rows), timed(theirs, rows)) for _ in range(chosen.rounds)]
    (our_scores, *_), (their_scores, *_) = rounds[0]
    columns = {"clock": 1, "processors": 2}
    result: dict[str, object] = {
        "clips": len(rows),
        "captions": [path.name for path in chosen.captions] or "made up",
        "rounds": chosen.rounds,
        "seconds": {
            name: {key: statistics.median(turn[way][column] for turn in rounds) for key, column in columns.items()}
            for way, name in enumerate(("ours", "pycocoevalcap"))
        },
        **{f"times_faster_{key}": statistics.median(b[at] / a[at] for a, b in rounds) for key, at in columns.items()},
        "largest_difference": max(abs(our_scores[name] - their_scores[name]) for name in NAMES),
        "scores": our_scores,
        "pycocoevalcap": importlib.metadata.version("pycocoevalcap"),
        "java": java_version(),
        "machine": f"{os.cpu_count()} processors, Python {platform.python_version()}",
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }
    place = Path(__file__).parent / "results" / "caption_metrics"
    place.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    place.with_suffix(".md").write_text(report(result))
    print(report(result))


if __name__ == "__main__":
    main()
