"""METEOR 1.5, in Java."""

from __future__ import annotations

from collections.abc import Sequence

from tqdm import tqdm

from uat_lightning.metrics.captioning.java import JavaProgram
from uat_lightning.metrics.captioning.java_treebank import coco_folder
from uat_lightning.metrics.captioning.scores import CaptionCorpus, CaptionScorer
from uat_lightning.metrics.corpus_scores import CorpusScores

SEPARATOR = "|||"


class MeteorProgram(JavaProgram):
    """A running METEOR (Denkowski & Lavie 2014), a context; starting it takes seconds, so score all parts with one.

    Args:
        seconds: How long an answer may take, the first with the start of the program in it.
    """

    def __init__(self, seconds: float = 600) -> None:
        archive = coco_folder("meteor") / "meteor-1.5.jar"
        arguments = ["-Xmx2G", "-jar", str(archive), "-", "-", "-stdio", "-l", "en", "-norm"]
        super().__init__("METEOR", arguments, seconds)

    def __enter__(self) -> MeteorProgram:
        """Start it."""
        super().__enter__()
        return self

    def score(self, candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
        """Return METEOR of a corpus, whose counts are pooled, and of every caption; 0 to 1.

        Args:
            candidates: Words of each caption, separated by blanks.
            references: Words of the true captions of each clip.

        Raises:
            NotComputable: If it ends or an answer takes too long.
        """
        pairs = list(zip(candidates, references, strict=True))
        counts = [self._counts(*pair) for pair in tqdm(pairs, "METEOR", leave=False, delay=5)]
        line = f" {SEPARATOR} ".join(["EVAL", *counts])
        *single, together = map(float, self.ask(line, len(counts) + 1))
        return together, single

    def _counts(self, candidate: str, references: Sequence[str]) -> str:
        fields = [" ".join(text.replace(SEPARATOR, " ").split()) for text in (*references, candidate)]
        return self.ask(f" {SEPARATOR} ".join(["SCORE", *fields]))[0]


def meteor(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """Return METEOR of a corpus and of every caption; see ``MeteorProgram.score``."""
    with MeteorProgram() as program:
        return program.score(candidates, references)


class Meteor(CaptionScorer):
    """METEOR; needs Java.

    Args:
        seconds: How long an answer may take, the first with the start of the program in it.
    """

    names = ("meteor",)

    def __init__(self, seconds: float = 600) -> None:
        self.seconds = seconds

    def score(self, corpus: CaptionCorpus) -> CorpusScores:
        """Score a corpus."""
        with MeteorProgram(self.seconds) as program:
            together, single = program.score(corpus.words.candidates, corpus.words.references)
        return CorpusScores({"meteor": together}, {"meteor": single})
