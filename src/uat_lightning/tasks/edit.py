"""Audio and text to other audio, by any editing method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.sampling import Euler, Guidance, RescaledGuidance, Solver, Windows
from uat_lightning.sampling.editing import EditingMethod, SDEdit
from uat_lightning.tasks.base import Parts, gaussian, generators
from uat_lightning.tasks.caption import Caption
from uat_lightning.tasks.generate import check_negative
from uat_lightning.tasks.model_flow import ModelFlow, Texts
from uat_lightning.tasks.region import Region, pasted
from uat_lightning.types import Sequences


@dataclass(frozen=True)
class Edited:
    """The result of an edit.

    Args:
        audio: Audio of shape (channels, samples), as long as the source.
        targets: What was to be heard in each window.
        sources: What the method took the source for in each window; none where it did not ask.
        region: Where the source could change; everywhere where None.
        evaluations: How often a velocity was evaluated for it.
    """

    audio: Tensor
    targets: list[str]
    sources: list[str]
    region: Region | None
    evaluations: int


class Edit:
    """Changes audio so that it deserves another text.

    Args:
        method: How; ``SDEdit()`` where None.
        solver: Integrates the velocity; 50 Euler steps from pure noise where None.
        guidance: Classifier-free guidance on the target; scale 4, most of its level taken back, where None.
        negative: A caption of what guidance is to lead away from; away from no caption where None.
        caption: Writes what the source is where a method asks for it and nobody says; as ``Caption()`` where None.
        window: Seconds that the model looks at at once; longer audio is edited in overlapping windows, with one noise.
            All at once where None.
    """

    def __init__(
        self,
        method: EditingMethod | None = None,
        solver: Solver | None = None,
        guidance: Guidance | None = None,
        negative: str | None = None,
        caption: Caption | None = None,
        window: float | None = None,
    ) -> None:
        check_negative(guidance, negative)
        if window is not None and not window > 0:
            raise ValueError(f"window must be above 0 seconds, got {window}")
        self.method, self.solver, self.negative = method or SDEdit(), solver or Euler(50), negative
        self.guidance, self.caption = guidance or RescaledGuidance(4.0, rescale=0.9), caption or Caption()
        self.window = window

    def run(
        self,
        parts: Parts,
        waveforms: Sequence[Tensor],
        targets: Sequence[str],
        seed: int = 0,
        first: int = 0,
        sources: Sequence[str | None] | None = None,
        regions: Sequence[Region | None] | None = None,
    ) -> list[Tensor]:
        """Return one waveform per source, as long as the source.

        Args:
            parts: The trained model.
            waveforms: Source audio (channels, samples) at the codec's rate, of any lengths.
            targets: The captions that the results are to deserve.
            seed: Seed; row i draws from ``seed + first + i``, whatever the batch.
            first: Number of the first row.
            sources: What each source is, for methods that ask; the model writes it where None, nothing is said where
                empty.
            regions: Where each source may change; everywhere where None. Elsewhere its own samples stay.

        Raises:
            ValueError: If audio or captions cannot be used.
        """
        return [made.audio for made in self.results(parts, waveforms, targets, seed, first, sources, regions)]

    @torch.no_grad()
    def results(
        self,
        parts: Parts,
        waveforms: Sequence[Tensor],
        targets: Sequence[str],
        seed: int = 0,
        first: int = 0,
        sources: Sequence[str | None] | None = None,
        regions: Sequence[Region | None] | None = None,
    ) -> list[Edited]:
        """Return what ``run`` does, with how it came about."""
        rows = len(waveforms)
        given, places = sources or [None] * rows, regions or [None] * rows
        if not rows == len(targets) == len(given) == len(places):
            raise ValueError(f"there are {rows} waveforms and {len(targets)} captions: give one for each")
        if not rows:
            return []
        parts.read(targets)
        audio = parts.listen(waveforms)
        flow = self._flow(parts, audio, targets, given, seed, first)
        edited = self.latents(parts, flow, audio, seed, first, _mask(places, audio, parts))
        made = parts.sound(edited, [waveform.shape[1] for waveform in waveforms])
        return [
            _finished(parts, waveform, whole, flow, row, place)
            for row, (waveform, whole, place) in enumerate(zip(waveforms, made, places, strict=True))
        ]

    def latents(
        self, parts: Parts, flow: ModelFlow, audio: Sequences, seed: int, first: int = 0, mask: Tensor | None = None
    ) -> Sequences:
        """Return edited latents; row i draws from ``seed + first + i``."""
        lengths, drawn = audio.lengths.tolist(), generators(seed, len(audio), first)
        edited = self.method.run(
            audio.values,
            flow,
            self.solver,
            lambda: gaussian(lengths, parts.codec.latent_width, drawn, parts.device).values,
            mask,
        )
        return Sequences(edited, audio.lengths)

    def _flow(
        self,
        parts: Parts,
        audio: Sequences,
        targets: Sequence[str],
        given: Sequence[str | None],
        seed: int,
        first: int,
    ) -> ModelFlow:
        windows = self._windows(parts, audio.lengths)
        rows = windows.rows.tolist()
        numbers = [first + row + place - rows.index(row) for place, row in enumerate(rows)]
        heard, wanted = [given[row] for row in rows], [targets[row] for row in rows]
        texts = Texts(parts, windows.cut(audio.values), numbers, heard, wanted, self.caption, seed)
        return ModelFlow(windows, texts, self.guidance, self.negative)

    def _windows(self, parts: Parts, lengths: Tensor) -> Windows:
        longest = int(lengths.max())
        if self.window is not None:
            longest = min(longest, max(1, round(self.window * parts.codec.frames_per_second)))
        return Windows.over(lengths, longest, longest // 4)


def _mask(regions: Sequence[Region | None], audio: Sequences, parts: Parts) -> Tensor | None:
    """Return how far each frame may change, (rows, frames, 1); None where no row has a region."""
    if all(region is None for region in regions):
        return None
    count = audio.values.shape[1]
    rows = [torch.ones(count) if region is None else region.frames(count, parts.codec) for region in regions]
    return torch.stack(rows)[..., None].to(audio.values)


def _finished(parts: Parts, waveform: Tensor, made: Tensor, flow: ModelFlow, row: int, region: Region | None) -> Edited:
    if region is not None:
        share = region.samples(made.shape[1], parts.codec.sample_rate, parts.codec)
        made = pasted(waveform.cpu(), made, share)
    own = (flow.windows.rows == row).tolist()
    sources = flow.texts.sources if "sources" in vars(flow.texts) else []
    return Edited(
        made,
        [text for text, mine in zip(flow.texts.targets, own, strict=True) if mine],
        [text for text, mine in zip(sources, own, strict=False) if mine],
        region,
        flow.tally.count,
    )
