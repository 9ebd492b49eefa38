"""Caption scores as a ``torchmetrics`` metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from uat_lightning.metrics.captioning.scores import CaptionScorer
from uat_lightning.metrics.captioning.scoring import caption_scores, check_captions
from uat_lightning.metrics.captioning.words import Words
from uat_lightning.metrics.corpus_scores import CorpusScores
from uat_lightning.metrics.samples import SampleMetric


class CaptionMetric(SampleMetric):
    """All scores of ``caption_scores`` over every batch and rank.

    Texts are kept as bytes, and scored by the first rank once all are there; so Java and language models run once.
    After ``compute`` every rank has everything in ``result``: scores of single captions in the order of the samples'
    numbers, and why a score is absent.

    Args:
        scorers: What to compute; ``quick_scorers`` where None.
        words: How captions are split into words; ``Treebank`` where None.
    """

    higher_is_better = True
    counts: list[Tensor]
    lengths: list[Tensor]
    characters: list[Tensor]

    def __init__(self, scorers: Sequence[CaptionScorer] | None = None, words: Words | None = None) -> None:
        super().__init__()
        self.scorers, self.words, self.result = scorers, words, CorpusScores()
        self.add_rows("counts", torch.int64)
        self.add_rows("lengths", torch.int64)
        self.add_rows("characters", torch.uint8)

    def update(
        self, ids: Tensor | Sequence[int], candidates: Sequence[str], references: Sequence[Sequence[str]]
    ) -> None:
        """Add captions.

        Args:
            ids: The number of each clip in the whole data set, int64 (clips,).
            candidates: The caption of each clip.
            references: The true captions of each clip, one or more.

        Raises:
            ValueError: If numbers differ or a clip has no reference.
        """
        if len(candidates) or len(references):
            check_captions(candidates, references)
        self.add_ids(ids, len(candidates))
        together = [[caption, *texts] for caption, texts in zip(candidates, references, strict=True)]
        encoded = [text.encode(errors="surrogatepass") for texts in together for text in texts]
        self._add("counts", [len(texts) for texts in together], torch.int64)
        self._add("lengths", [len(text) for text in encoded], torch.int64)
        self._add("characters", np.frombuffer(b"".join(encoded), np.uint8), torch.uint8)

    def compute(self) -> dict[str, Tensor]:
        """Return the scores of the corpus, float64 scalars on the CPU; what cannot be computed is absent.

        Raises:
            ValueError: If clips with one number have different references, or the captions cannot be scored.
        """
        self.result = CorpusScores(**self.from_first_rank(lambda: asdict(self._scores())))
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in self.result.scores.items()}

    def reset(self) -> None:
        """Forget all captions and the result."""
        super().reset()
        self.result = CorpusScores()

    def _add(self, name: str, values: ArrayLike, dtype: torch.dtype) -> None:
        getattr(self, name).append(torch.tensor(np.array(values), dtype=dtype, device=self.device))

    def _scores(self) -> CorpusScores:
        clips, places = self._texts(), self.each_once()
        if not clips:
            return CorpusScores()
        _check_duplicates(self.rows("ids").tolist(), clips)
        candidates, references = [clips[place][0] for place in places], [clips[place][1:] for place in places]
        return caption_scores(candidates, references, self.scorers, self.words)

    def _texts(self) -> list[list[str]]:
        """Return caption and references of every clip, duplicates included."""
        characters, ends = self.rows("characters").numpy().tobytes(), self.rows("lengths").cumsum(0).tolist()
        texts = iter([characters[a:b].decode(errors="surrogatepass") for a, b in zip([0, *ends], ends, strict=False)])
        return [[next(texts) for _ in range(count)] for count in self.rows("counts").tolist()]


def _check_duplicates(ids: Sequence[int], clips: Sequence[list[str]]) -> None:
    known: dict[int, list[str]] = {}
    for number, (_, *references) in zip(ids, clips, strict=True):
        if known.setdefault(number, references) != references:
            raise ValueError(f"two clips have the id {number}: give every clip its number in the whole data set")
