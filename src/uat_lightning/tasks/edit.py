"""Audio and text to other audio, by any editing method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from uat_lightning.sampling import Euler, Guidance, RescaledGuidance, Solver, Windows
from uat_lightning.sampling.editing import EditingMethod, FlowEdit, VelocityDifference
from uat_lightning.sampling.solvers import Noise
from uat_lightning.tasks.base import Parts, gaussian, generators
from uat_lightning.tasks.caption import Caption, ChosenCaption
from uat_lightning.tasks.generate import check_negative
from uat_lightning.tasks.model_flow import ModelFlow
from uat_lightning.tasks.region import Region, SoftMask, pasted
from uat_lightning.tasks.rendering import Change, ChangedBins, Rendering
from uat_lightning.tasks.texts import SaidTexts, Texts, ToldTexts
from uat_lightning.text import Instruction
from uat_lightning.types import Sequences

OVERLAP = 0.25  # share of a window that its neighbour sees too


@dataclass(frozen=True)
class Source:
    """Audio to edit.

    Args:
        audio: Audio (channels, samples) at the codec's rate, of any length.
        target: What is to be heard in the end: a caption, or an instruction to apply to what is heard; or one for each
            window.
        text: What is heard, for methods that ask: the model writes it where None, nothing is said where empty; or one
            for each window.
        region: Where it may change; elsewhere its own samples stay. Everywhere, or where the task finds it, where None.
    """

    audio: Tensor
    target: str | Instruction | Sequence[str | Instruction]
    text: str | Sequence[str] | None = None
    region: Region | None = None

    @property
    def only_adds(self) -> bool:
        """Whether all that is heard stays by what is asked for; a caption does not say so."""
        wishes = [self.target] if isinstance(self.target, (str, Instruction)) else self.target
        return all(isinstance(wish, Instruction) and wish.only_adds for wish in wishes)


@dataclass(frozen=True)
class Edited:
    """The result of an edit.

    Args:
        audio: Audio of shape (channels, samples), as long as the source.
        targets: What was to be heard in each window.
        texts: What was taken to be heard before, in each window; none where nobody asked.
        region: Where the source could change; everywhere where None.
        evaluations: How often a velocity was evaluated for it.
        seed: What its noise was drawn from.
        complaints: Why no caption follows from an instruction, in some of the windows: it could not be followed there
            or, by a method that reads instructions as well, was followed alone.
    """

    audio: Tensor
    targets: list[str]
    texts: list[str]
    region: Region | None
    evaluations: int
    seed: int
    complaints: list[str] = field(default_factory=list)


class Edit:
    """Changes audio so that it deserves another text.

    Args:
        method: How; ``FlowEdit()`` where None.
        solver: Integrates the velocity; 50 Euler steps from pure noise where None.
        guidance: Classifier-free guidance on the target; where None of the method's usual scale, most of its level
            taken back.
        negative: A caption of what guidance is to lead away from; away from no caption where None.
        caption: Writes what is heard where a method asks for it and nobody says; the best of several where None.
        window: Seconds that the model looks at at once; longer audio is edited in overlapping windows, with one noise.
            All at once where None.
        finder: Finds the region where none is given; it is everything where None.
        rendering: Makes sound of edited latents; the source's own outside of the bins that change where None.
    """

    def __init__(
        self,
        method: EditingMethod | None = None,
        solver: Solver | None = None,
        guidance: Guidance | None = None,
        negative: str | None = None,
        caption: Caption | None = None,
        window: float | None = None,
        finder: VelocityDifference | None = None,
        rendering: Rendering | None = None,
    ) -> None:
        check_negative(guidance, negative)
        if window is not None and not window > 0:
            raise ValueError(f"window must be above 0 seconds, got {window}")
        self.method, self.solver, self.negative = method or FlowEdit(), solver or Euler(50), negative
        self.guidance = guidance or RescaledGuidance(self.method.usual_guidance, rescale=0.9)
        self.caption = caption or ChosenCaption()
        self.window, self.finder, self.rendering = window, finder, rendering or ChangedBins()

    def run(
        self,
        parts: Parts,
        waveforms: Sequence[Tensor],
        targets: Sequence[str | Instruction],
        seed: int = 0,
        first: int = 0,
    ) -> list[Tensor]:
        """Return one waveform per source, as long as the source.

        Args:
            parts: The trained model.
            waveforms: Source audio (channels, samples) at the codec's rate, of any lengths.
            targets: The captions that the results are to deserve, or instructions to apply to what is heard.
            seed: Seed; row i draws from ``seed + first + i``, whatever the batch.
            first: Number of the first row.

        Raises:
            ValueError: If audio or captions cannot be used, or an instruction names nothing that is heard.
        """
        if len(waveforms) != len(targets):
            raise ValueError(f"there are {len(waveforms)} waveforms and {len(targets)} captions: give one for each")
        sources = [Source(*both) for both in zip(waveforms, targets, strict=True)]
        return [made.audio for made in self.edit(parts, sources, seed, first)]

    @torch.no_grad()
    def edit(self, parts: Parts, sources: Sequence[Source], seed: int = 0, first: int = 0) -> list[Edited]:
        """Return the edit of each source, and how it came about; seeds as in ``run``."""
        self.method.check(parts.backbone)
        if not sources:
            return []
        if whole := [source.target for source in sources if isinstance(source.target, str)]:
            parts.read(whole)
        audio = parts.listen([source.audio for source in sources])
        flow = self._flow(parts, audio, sources, seed, first, self._kind)
        _check_wishes(flow)
        regions = self._regions(audio, flow, sources, _noise(parts, audio, seed, first))
        mask, noise = _mask(parts, regions, audio), _noise(parts, audio, seed, first)
        edited = self.method.run(audio.values, flow, self.solver, noise, mask)
        after = Sequences(edited, audio.lengths)
        own, only_adds = [source.audio for source in sources], [source.only_adds for source in sources]
        made = self.rendering.render(parts, Change(own, audio, after, only_adds))
        return [
            _result(parts, source, whole, flow, row, region, seed + first + row)
            for row, (source, whole, region) in enumerate(zip(sources, made, regions, strict=True))
        ]

    def windows(self, parts: Parts, lengths: Tensor) -> Windows:
        """Return the windows over rows of so many latent frames, int64 (rows,)."""
        longest = int(lengths.max())
        if self.window is not None:
            longest = min(longest, max(1, round(self.window * parts.codec.frames_per_second)))
        return Windows.over(lengths, longest, int(OVERLAP * longest))

    def captions(self, parts: Parts, sources: Sequence[Source], seed: int = 0, first: int = 0) -> list[list[str]]:
        """Return what is to be heard in each window of each source, as a caption; seeds as in ``run``.

        Raises:
            ValueError: If an instruction cannot be read, or names nothing that is heard.
        """
        audio = parts.listen([source.audio for source in sources])
        flow = self._flow(parts, audio, sources, seed, first, Texts)
        _check_wishes(flow)
        told = list(zip(flow.windows.rows.tolist(), flow.texts.targets, strict=True))
        return [[text for where, text in told if where == row] for row in range(len(sources))]

    @torch.no_grad()
    def heard(self, parts: Parts, sources: Sequence[Source], seed: int = 0, first: int = 0) -> list[list[str] | None]:
        """Return what is taken to be heard in each window of each source, as a caption; seeds as in ``run``.

        None stands for a source in which what is asked for can be done in no window.
        """
        audio = parts.listen([source.audio for source in sources])
        flow = self._flow(parts, audio, sources, seed, first, Texts)
        told = list(zip(flow.windows.rows.tolist(), flow.texts.refusals, flow.texts.sources, strict=True))
        rows = [[(refusal, text) for where, refusal, text in told if where == row] for row in range(len(sources))]
        return [None if all(refusal for refusal, _ in row) else [text for _, text in row] for row in rows]

    @property
    def _kind(self) -> type[Texts]:
        """The texts that the method reads."""
        if not self.method.reads_captions:
            return SaidTexts
        return ToldTexts if self.method.follows_instructions else Texts

    def _flow(
        self,
        parts: Parts,
        audio: Sequences,
        sources: Sequence[Source],
        seed: int,
        first: int,
        kind: type[Texts],
    ) -> ModelFlow:
        windows = self.windows(parts, audio.lengths)
        rows = windows.rows.tolist()
        counts = [rows.count(row) for row in range(len(sources))]
        numbers = [first + row + place for row, count in enumerate(counts) for place in range(count)]
        said = [text for source, count in zip(sources, counts, strict=True) for text in _each(source.text, count)]
        wishes = [wish for source, count in zip(sources, counts, strict=True) for wish in _each(source.target, count)]
        texts = kind(parts, windows.cut(audio.values), numbers, said, wishes, self.caption, seed)
        return ModelFlow(windows, texts, self.guidance, self.negative)

    def _regions(
        self, audio: Sequences, flow: ModelFlow, sources: Sequence[Source], noise: Noise
    ) -> list[Region | None]:
        given = [source.region for source in sources]
        if self.finder is None or all(region is not None for region in given):
            return given
        if not self.method.reads_captions:
            remedy = "name it in seconds, leave it out, or take another method"
            raise ValueError(f"a region is found from captions, and {type(self.method).__name__} reads none: {remedy}")
        masks = self.finder.find(audio.values, audio.lengths, flow, noise)
        found = [SoftMask(mask[:length, 0].cpu()) for mask, length in zip(masks, audio.lengths.tolist(), strict=True)]
        return [mask if region is None else region for region, mask in zip(given, found, strict=True)]


def _noise(parts: Parts, audio: Sequences, seed: int, first: int) -> Noise:
    """Return what draws noise of the audio's shape, each row from a generator of its own."""
    lengths, sources = audio.lengths.tolist(), generators(seed, len(audio), first)
    return lambda: gaussian(lengths, parts.codec.latent_width, sources, parts.device).values


def _mask(parts: Parts, regions: Sequence[Region | None], audio: Sequences) -> Tensor | None:
    """Return how far each frame may change, (rows, frames, 1); None where no row has a region."""
    if all(region is None for region in regions):
        return None
    count = audio.values.shape[1]
    rows = [torch.ones(count) if region is None else region.frames(count, parts.codec) for region in regions]
    return torch.stack(rows)[..., None].to(audio.values)


def _each(value: Any, count: int) -> list[Any]:  # noqa: ANN401 (a text, a wish or none, or a sequence of them)
    """Return one value for each window of a row."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"there are {len(value)} texts for {count} windows: give one for each, or one for all")
    return list(value)


def _check_wishes(flow: ModelFlow) -> None:
    """See that something can be done for every row.

    Raises:
        ValueError: If a wish can be fulfilled in none of a row's windows.
    """
    rows = flow.windows.rows.tolist()
    for row in dict.fromkeys(rows):
        own = [said for said, where in zip(flow.texts.refusals, rows, strict=True) if where == row]
        if all(own):
            raise ValueError(own[0])


def _result(
    parts: Parts, source: Source, made: Tensor, flow: ModelFlow, row: int, region: Region | None, seed: int
) -> Edited:
    if region is not None:
        share = region.samples(made.shape[1], parts.codec.sample_rate, parts.codec)
        made = pasted(source.audio.cpu(), made, share)
    own = (flow.windows.rows == row).nonzero()[:, 0].tolist()
    texts = flow.texts
    return Edited(
        made,
        [texts.targets[place] for place in own],
        [texts.sources[place] for place in own] if texts.sources_known else [],
        region,
        flow.tally.count,
        seed,
        [complaint for place in own if (complaint := texts.complaints[place])],
    )
