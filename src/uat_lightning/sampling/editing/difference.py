"""Where an edit is needed: where two texts disagree about what is heard."""

from __future__ import annotations

import torch
from torch import Tensor

from uat_lightning.sampling.editing.text_flow import TextFlow
from uat_lightning.sampling.guidance import Guidance
from uat_lightning.sampling.solvers import Noise


class VelocityDifference:
    """A soft mask over time, from the difference of velocities under the source's text and the target's.

    The source is noised to a few levels, and the root mean square of the difference over channels is averaged over
    them, as DiffEdit does for pictures (Couairon et al. 2022, arXiv 2210.11427). Smoothed over time and divided by its
    maximum, it is 0 below ``low``, 1 above ``high``, and straight in between.

    Evaluations: ``2 draws`` for each level.

    Args:
        levels: Noise levels of the rectified flow, above 0, up to 1.
        draws: Noises at each level.
        low: Share of the largest difference below which nothing changes, 0 to 1.
        high: Share from which on all may change, above ``low``.
        reach: Frames on either side over which the difference is averaged.
    """

    def __init__(
        self,
        levels: tuple[float, ...] = (0.7, 0.9),
        draws: int = 4,
        low: float = 0.4,
        high: float = 0.6,
        reach: int = 1,
    ) -> None:
        if not levels or not all(0 < level <= 1 for level in levels):
            raise ValueError(f"levels are noise levels above 0, up to 1, got {levels}")
        if draws < 1 or reach < 0 or not 0 <= low < high:
            raise ValueError(f"draws >= 1, reach >= 0 and 0 <= low < high: got {draws}, {reach}, {low} and {high}")
        self.levels, self.draws, self.low, self.high, self.reach = levels, draws, low, high, reach

    def find(self, source: Tensor, lengths: Tensor, flow: TextFlow, noise: Noise) -> Tensor:
        """Return how far each frame may change, 0 to 1, (rows, frames, 1).

        Args:
            source: Clean latents (rows, frames, channels).
            lengths: Valid frames of each row, (rows,).
            flow: The model under both texts.
            noise: Draws Gaussian noise of the source's shape.
        """
        size = _smoothed(self.difference(source, flow, noise), lengths, self.reach)
        share = size / size.amax(1, keepdim=True).clamp(min=1e-12)
        return ((share - self.low) / (self.high - self.low)).clamp(0, 1)[..., None]

    def difference(self, source: Tensor, flow: TextFlow, noise: Noise) -> Tensor:
        """Return the root mean square of the difference over channels, averaged over levels, (rows, frames)."""
        plain = Guidance(1.0)
        on, away, sizes = flow.under_target(plain), flow.under_source(plain), []
        for level in self.levels:
            for _ in range(self.draws):
                noisy = torch.lerp(source, noise(), level)
                sizes.append((on(noisy, level) - away(noisy, level)).square().mean(-1).sqrt())
        return torch.stack(sizes).mean(0)


def _smoothed(values: Tensor, lengths: Tensor, reach: int) -> Tensor:
    """Average each valid frame (rows, frames) with its valid neighbours."""
    valid = (torch.arange(values.shape[1], device=values.device) < lengths[:, None]).to(values)
    window = values.new_ones(1, 1, 2 * reach + 1)
    sums = [torch.nn.functional.conv1d(row[:, None], window, padding=reach)[:, 0] for row in (values * valid, valid)]
    return sums[0] / sums[1].clamp(min=1) * valid
