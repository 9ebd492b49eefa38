"""Audio and text to other audio: the source is noised part of the way and denoised under the target caption."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from uat_lightning.sampling import Guidance, Solver
from uat_lightning.tasks.base import Parts, gaussian, generators
from uat_lightning.tasks.generate import Generate
from uat_lightning.types import Sequences


class Edit:
    """SDEdit (Meng et al. 2021, arXiv 2108.01073).

    Args:
        edit_strength: Noise level to start from, of the model's process, 0 to 1: 0 returns the source, 1 is plain
            generation.
        solver: Integrates the velocity; 50 Euler steps from pure noise where None.
        guidance: Classifier-free guidance; scale 4, most of its level taken back, where None.
        negative: A caption of what guidance is to lead away from; away from no caption where None.
    """

    def __init__(
        self,
        edit_strength: float = 0.8,
        solver: Solver | None = None,
        guidance: Guidance | None = None,
        negative: str | None = None,
    ) -> None:
        if not 0 <= edit_strength <= 1:
            raise ValueError(f"edit_strength is a noise level from 0 to 1, got {edit_strength}")
        self.edit_strength, self.generate = edit_strength, Generate(solver, guidance, negative)

    @torch.no_grad()
    def run(
        self, parts: Parts, waveforms: Sequence[Tensor], targets: Sequence[str], seed: int = 0, first: int = 0
    ) -> list[Tensor]:
        """Return one waveform per source, as long as the source.

        Args:
            parts: The trained model.
            waveforms: Source audio (channels, samples) at the codec's rate, of any lengths.
            targets: The captions that the results are to deserve.
            seed: Seed; row i draws from ``seed + first + i``, whatever the batch.
            first: Number of the first row.

        Raises:
            ValueError: If audio or captions cannot be used.
        """
        if len(waveforms) != len(targets):
            raise ValueError(f"there are {len(waveforms)} waveforms and {len(targets)} captions: give one for each")
        if not waveforms:
            return []
        source = parts.listen(waveforms)
        sources = generators(seed, len(waveforms), first)
        edited = source if self.edit_strength == 0 else self._redo(parts, source, targets, sources)
        return parts.sound(edited, [waveform.shape[1] for waveform in waveforms])

    def _redo(self, parts: Parts, source: Sequences, targets: Sequence[str], sources: Sequence[Generator]) -> Sequences:
        noise = gaussian(source.lengths.tolist(), parts.codec.latent_width, sources, parts.device).values
        level = source.values.new_full((len(source),), self.edit_strength)
        noisy = Sequences(parts.process.path(source.values, noise, level), source.lengths)
        return self.generate.denoise(parts, noisy, targets, self.edit_strength, sources)
