"""SPICE, in Java, with the parser that the user brings."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any

from uat_lightning.metrics.captioning.java import JavaProgram, java_version
from uat_lightning.metrics.captioning.java_treebank import coco_folder
from uat_lightning.metrics.captioning.ngrams import mean_of
from uat_lightning.metrics.captioning.scores import CaptionCorpus, CaptionScorer, NotComputable
from uat_lightning.metrics.corpus_scores import CorpusScores

ARCHIVES = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
# Its serializer reaches into the class library, which Java 16 and later refuse unless they are told.
OPENED = ("lang", "math", "net", "text", "util", "util.concurrent")
SCORER = "edu.anu.spice.SpiceScorer"


def spice(
    candidates: Sequence[str], references: Sequence[Sequence[str]], parser: Path, seconds: float = 3600
) -> list[float]:
    """Return SPICE (Anderson et al. 2016) of every caption, the F1 of its scene graph's tuples; 0 to 1.

    Args:
        candidates: Words of each caption, separated by blanks.
        references: Words of the true captions of each clip.
        parser: Folder that holds Stanford CoreNLP 3.6.0 and its models, two archives.
        seconds: How long it may take.

    Raises:
        NotComputable: If Java or an archive is absent, or it fails.
    """
    archives = _class_path(parser)
    clips = [
        {"image_id": clip, "test": said, "refs": list(true)}
        for clip, (said, true) in enumerate(zip(candidates, references, strict=True))
    ]
    with tempfile.TemporaryDirectory(prefix="spice-") as folder:
        asked, answered = Path(folder, "captions.json"), Path(folder, "scores.json")
        asked.write_text(json.dumps(clips))
        files = [str(asked), "-out", str(answered), "-cache", folder, "-silent"]
        with JavaProgram("SPICE", [*_opened(), "-Xmx8G", "-cp", archives, SCORER, *files], seconds) as java:
            java.finish([])
        return _f1(answered, len(clips))


class Spice(CaptionScorer):
    """The mean of ``spice``; SPIDEr is made with it.

    Args:
        parser: Folder that holds Stanford CoreNLP 3.6.0 and its models; None where there is none, and then the score is
            absent.
        seconds: How long it may take.
    """

    names = ("spice",)

    def __init__(self, parser: Path | None = None, seconds: float = 3600) -> None:
        self.parser, self.seconds = parser, seconds

    def score(self, corpus: CaptionCorpus) -> CorpusScores:
        """Score a corpus."""
        if self.parser is None:
            raise NotComputable(f"needs a folder with {' and '.join(ARCHIVES)}")
        found = spice(corpus.words.candidates, corpus.words.references, Path(self.parser), self.seconds)
        return mean_of("spice", found)


def _class_path(parser: Path) -> str:
    missing = [name for name in ARCHIVES if not (parser / name).is_file()]
    if missing:
        raise NotComputable(f"needs {' and '.join(missing)} in {parser}")
    own = coco_folder("spice")
    return os.pathsep.join([*(str(parser / name) for name in ARCHIVES), str(own / "spice-1.0.jar"), f"{own / 'lib'}/*"])


def _opened() -> list[str]:
    if '"1.' in java_version():
        return []  # Java 8 and before refuse nothing, and do not know the option
    return [word for name in OPENED for word in ("--add-opens", f"java.base/java.{name}=ALL-UNNAMED")]


def _f1(path: Path, clips: int) -> list[float]:
    try:
        scores: dict[int, Any] = {row["image_id"]: row["scores"]["All"]["f"] for row in json.loads(path.read_text())}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotComputable(f"SPICE wrote no scores: {error}") from error
    if scores.keys() != set(range(clips)):
        raise NotComputable(f"SPICE scored {len(scores)} of {clips} captions")
    return [nan if scores[clip] is None else float(scores[clip]) for clip in range(clips)]
