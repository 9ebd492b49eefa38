"""The Frechet distance between Gaussians fitted to embeddings: FAD with VGGish, FD with PANNs, PaSST or CLAP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import nan

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from uat_lightning.metrics.audio.moments import Moments, RunningMoments
from uat_lightning.metrics.clip_records import ClipRecords

LEAST = 8  # clips that a line is drawn through


def frechet_distance(reference: Moments, generated: Moments) -> float:
    """Return the squared Frechet distance of two Gaussians.

    ``|m - n|^2 + tr(C) + tr(D) - 2 tr((C D)^(1/2))`` (Dowson & Landau 1982, equation 4; as FID, Heusel et al. 2017; as
    FAD, Kilgour et al. 2019). With ``C = A A^T`` and ``D = B B^T`` the last trace is the sum of the singular values of
    ``A^T B``, which exists without complex numbers for covariances of any rank. What the eigenvalues of a covariance
    hold of rounding is left out: its square root would be 1e-8.

    The distance is biased upwards by about a constant over the number of rows: compare equal numbers only, and say
    them beside it.

    Args:
        reference: Moments of the true clips' embeddings.
        generated: Moments of the others.

    Returns:
        A number of at least 0; NaN where a side has fewer than two rows, or rows that are not finite.

    Raises:
        ValueError: If the widths differ.
    """
    if reference.mean.shape != generated.mean.shape:
        widths = f"{len(reference.mean)} and {len(generated.mean)}"
        raise ValueError(f"embeddings of {widths} channels cannot be compared: take both from one embedder")
    roots = [covariance_root(side) for side in (reference, generated)]
    if any(root is None for root in roots):
        return nan
    first, second = (root for root in roots if root is not None)
    apart = (reference.mean - generated.mean.to(reference.mean.device)).square().sum()
    shared = torch.linalg.svdvals(first.mT @ second.to(first.device)).sum()
    return max(0.0, float(apart + first.square().sum() + second.square().sum() - 2 * shared))


def covariance_root(moments: Moments) -> Tensor | None:
    """Return a matrix (width, rank) whose product with its transpose is the covariance, or None where there is none.

    Its columns are orthogonal. What the eigenvalues hold of rounding is left out.
    """
    covariance = moments.covariance
    if not bool(torch.isfinite(covariance).all() and torch.isfinite(moments.mean).all()):
        return None
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > len(values) * torch.finfo(values.dtype).eps * values[-1]
    root: Tensor = vectors[:, kept] * values[kept].sqrt()
    return root


@dataclass(frozen=True)
class Extrapolation:
    """A Frechet distance extrapolated to infinitely many clips.

    Args:
        distance: Where the line meets ``1 / clips = 0``. It may be negative: the line is not.
        slope: Rise of the distance for each ``1 / clips``: what the number of clips costs.
        fit: Share of the distances' variance that the line explains, R squared, at most 1.
        clips: Clips there were.
    """

    distance: float
    slope: float
    fit: float
    clips: int


def frechet_distance_at_infinity(
    reference: Moments, generated: Sequence[Tensor], points: int = 15, smallest: float = 0.25, seed: int = 0
) -> Extrapolation:
    """Return the Frechet distance without the bias of few generated clips.

    A line through the distances of random subsets against ``1 / clips``, taken to 0 (Chong & Forsyth 2020, arXiv
    1911.07023, section 4; for audio Gui et al. 2024, arXiv 2311.01616, section 3.2). Whole clips are drawn, as the
    frames of one are alike, and without replacement: with it, the line ends at the distance of the clips at hand. The
    reference keeps its own bias.

    Args:
        reference: Moments of the true clips' embeddings.
        generated: Embeddings of each generated clip, (frames, width); the order matters to what is drawn.
        points: Subsets drawn, of evenly spaced sizes.
        smallest: Size of the smallest, as a share of the clips, above 0 and below 1; all clips are the largest.
        seed: Seed of the subsets.

    Returns:
        The line; NaN for fewer than 8 clips, and where ``frechet_distance`` is.

    Raises:
        ValueError: If a size is out of range.
    """
    clips = len(generated)
    if points < 2 or not 0 < smallest < 1:
        raise ValueError(f"a line needs 2 points and a share above 0 and below 1, got {points} and {smallest}")
    if clips < LEAST:
        return Extrapolation(nan, nan, nan, clips)
    sizes = np.linspace(smallest * clips, clips, points).round().astype(int)
    random = np.random.default_rng(seed)
    drawn = [random.permutation(clips)[:size] for size in sizes]
    distances = [frechet_distance(reference, Moments.of(torch.cat([generated[i] for i in some]))) for some in drawn]
    if not np.isfinite(distances).all():
        return Extrapolation(nan, nan, nan, clips)
    slope, start = np.polyfit(1 / sizes, distances, 1)
    left = np.var(np.asarray(distances) - start - slope / sizes)
    return Extrapolation(float(start), float(slope), float(1 - left / np.var(distances)), clips)


class FrechetDistance(Metric):
    """The Frechet distance of generated clips from true ones, by ``frechet_distance``.

    ``compute`` returns ``distance``, ``reference_clips``, ``reference_rows``, ``generated_clips`` and
    ``generated_rows``: the distance means little without them.

    Args:
        width: Channels of the embeddings.
        reference: Moments that are there already; true clips that come are added to them.
    """

    full_state_update = False
    higher_is_better = False

    def __init__(self, width: int, reference: Moments | None = None) -> None:
        super().__init__()
        self.known = reference or Moments.empty(width)
        self.reference, self.generated = RunningMoments(width), RunningMoments(width)

    def update(self, reference: Sequence[Tensor], generated: Sequence[Tensor], ids: Tensor) -> None:
        """Add the embeddings of true clips and of generated ones, which need not be pairs.

        Args:
            reference: Embeddings (frames, width) of each true clip; an empty list adds none.
            generated: Embeddings (frames, width) of each generated clip; an empty list adds none.
            ids: Number of each clip in the whole set, integers (clips,).
        """
        for side, embeddings in ((self.reference, reference), (self.generated, generated)):
            side.update(embeddings, ids if len(embeddings) else ids[:0])

    def compute(self) -> dict[str, float]:
        """Return the distance of everything added, with the numbers of clips and rows."""
        sides = {"reference": self.reference.compute(), "generated": self.generated.compute()}
        counts = {f"{name}_clips": float(side.pop("clips")) for name, side in sides.items()}
        made = {name: Moments(**side) for name, side in sides.items()}
        made["reference"] = self.known.to(self.device).merged(made["reference"])
        counts |= {f"{name}_rows": float(side.count) for name, side in made.items()}
        return {"distance": frechet_distance(made["reference"], made["generated"]), **counts}

    def reset(self) -> None:
        """Forget all clips, but not the moments that were there."""
        super().reset()
        self.reference.reset()
        self.generated.reset()


class FrechetDistanceAtInfinity(ClipRecords):
    """The Frechet distance without the bias of few generated clips, by ``frechet_distance_at_infinity``.

    It keeps the embeddings of all generated clips. ``compute`` returns ``distance``, ``slope``, ``fit`` and ``clips``.

    Args:
        width: Channels of the embeddings.
        reference: Moments that are there already; true clips that come are added to them.
        points: Subsets drawn, of evenly spaced sizes.
        smallest: Size of the smallest, as a share of the clips.
        seed: Seed of the subsets.
    """

    full_state_update = False
    higher_is_better = False

    def __init__(
        self,
        width: int,
        reference: Moments | None = None,
        points: int = 15,
        smallest: float = 0.25,
        seed: int = 0,
    ) -> None:
        super().__init__(width)
        self.known = reference or Moments.empty(width)
        self.points, self.smallest, self.seed = points, smallest, seed
        self.reference = RunningMoments(width)

    def update(self, reference: Sequence[Tensor], generated: Sequence[Tensor], ids: Tensor) -> None:
        """Add embeddings as ``FrechetDistance.update`` takes them."""
        self.reference.update(reference, ids if len(reference) else ids[:0])
        self.record(generated, ids if len(generated) else ids[:0])

    def compute(self) -> dict[str, float]:
        """Return the extrapolation over everything added."""
        added = self.reference.compute()
        reference = self.known.to(self.device).merged(Moments(added["count"], added["mean"], added["scatter"]))
        clips = list(self.clips().values())
        return asdict(frechet_distance_at_infinity(reference, clips, self.points, self.smallest, self.seed))

    def reset(self) -> None:
        """Forget all clips, but not the moments that were there."""
        super().reset()
        self.reference.reset()
