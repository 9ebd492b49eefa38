"""Several candidates, of which the best is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from uat_lightning.sampling import Windows
from uat_lightning.tasks.base import Parts
from uat_lightning.tasks.choice import CANDIDATES, STRIDE, checked_candidates
from uat_lightning.tasks.edit import Edit, Edited, Source
from uat_lightning.tasks.generate import Generate
from uat_lightning.tasks.judge import Judge
from uat_lightning.tasks.score import Score


class ChosenGenerate:
    """Generates several waveforms for each caption and keeps the one that deserves it most, to a judge.

    Args:
        generate: How to generate; as ``Generate()`` where None.
        judge: Who compares; the model itself by log p(text | audio) where None. The text is the same for all.
        candidates: Waveforms to choose from.
    """

    def __init__(
        self, generate: Generate | None = None, judge: Judge | None = None, candidates: int = CANDIDATES
    ) -> None:
        self.generate, self.judge = generate or Generate(), judge or Score()
        self.candidates = checked_candidates(candidates)

    def run(
        self, parts: Parts, captions: Sequence[str], seconds: Sequence[float], seed: int = 0, first: int = 0
    ) -> list[Tensor]:
        """Return one waveform (channels, samples) per caption.

        Args:
            parts: The trained model.
            captions: What is to be heard.
            seconds: How long each waveform is to be, above 0.
            seed: Seed; row i draws its first candidate from ``seed + first + i``, as ``Generate`` does.
            first: Number of the first row.

        Raises:
            ValueError: If a caption is empty or too long, or a duration is not above 0.
        """
        seeds = [seed + STRIDE * number for number in range(self.candidates)]
        made = [self.generate.run(parts, captions, seconds, one, first) for one in seeds]
        if not captions:
            return []
        scores = torch.stack([self.judge.run(parts, waveforms, captions, seed) for waveforms in made])
        return [made[n][row] for row, n in enumerate(scores.argmax(0).tolist())]


class ChosenEdit:
    """Edits each source several times and keeps the result that deserves its text most, to a judge.

    What is heard in a source is written once, for all its candidates. Where a method follows instructions, the text is
    the caption that follows from one, as other methods read it. Where none follows, and the instruction was followed
    alone, the first result stays.

    Args:
        edit: How to edit; as ``Edit()`` where None.
        judge: Who compares; the model itself by log p(text | audio) where None.
        candidates: Results to choose from.
    """

    def __init__(self, edit: Edit | None = None, judge: Judge | None = None, candidates: int = CANDIDATES) -> None:
        self.task, self.judge, self.candidates = edit or Edit(), judge or Score(), checked_candidates(candidates)

    def edit(self, parts: Parts, sources: Sequence[Source], seed: int = 0, first: int = 0) -> list[Edited]:
        """Return the chosen edit of each source; the first candidate is that of ``Edit``."""
        made = [self.task.edit(parts, sources, seed, first)]
        if self.candidates == 1 or not sources:
            return made[0]
        sources = [_with_text(source, result) for source, result in zip(sources, made[0], strict=True)]
        seeds = [seed + STRIDE * number for number in range(1, self.candidates)]
        made += [self.task.edit(parts, sources, other, first) for other in seeds]
        windows = self.task.windows(parts, parts.listen([source.audio for source in sources]).lengths)
        judged = self._judged(parts, sources, made, seed, first)
        best = torch.stack([self._scores(parts, *each, windows, seed) for each in judged]).argmax(0)
        return [made[0 if self._untold(made[0][row]) else number][row] for row, number in enumerate(best.tolist())]

    def _untold(self, result: Edited) -> bool:
        """Say whether no caption is known of what was to be heard."""
        return self.task.method.follows_instructions and bool(result.complaints)

    def _judged(
        self, parts: Parts, sources: Sequence[Source], made: Sequence[Sequence[Edited]], seed: int, first: int
    ) -> list[tuple[Sequence[Edited], list[list[str]]]]:
        """Return the results of each candidate, and the captions that they are to deserve."""
        if self.task.method.reads_captions:
            return [(results, [result.targets for result in results]) for results in made]
        captions = self.task.captions(parts, sources, seed, first)
        return [(results, captions) for results in made]

    def _scores(
        self, parts: Parts, results: Sequence[Edited], captions: list[list[str]], windows: Windows, seed: int
    ) -> Tensor:
        """Return the mean score over the windows of each result, (rows,)."""
        said, waveforms = [text for texts in captions for text in texts], [result.audio for result in results]
        scores = self.judge.of_windows(parts, waveforms, windows, said, seed)
        return torch.stack([row.mean() for row in torch.split(scores, [len(texts) for texts in captions])])


def _with_text(source: Source, result: Edited) -> Source:
    """Return a source that says what was taken to be heard, where anybody asked."""
    return replace(source, text=result.texts) if result.texts else source
