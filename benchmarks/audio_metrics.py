"""Time and error of the Frechet distance and of streaming moments, against scipy's matrix square root.

Run ``python benchmarks/audio_metrics.py``. Every distance is between two sets of rows of which the second is the first
one, turned and stretched, so that its distance is known: ``sum_i (1 - s_i)^2 v_i`` for stretches s of variances v.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from uat_lightning.metrics.audio.frechet import frechet_distance
from uat_lightning.metrics.audio.moments import Moments, RunningMoments

WIDTHS = (128, 256, 512, 768, 1024, 2048)
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the CPU seconds that something takes, and what it returns: other work on the machine does not count."""
    began = time.process_time()
    made = work()
    return time.process_time() - began, made


def by_square_root(reference: Moments, generated: Moments) -> float:
    """Return the distance as most libraries compute it: a square root of a product that is not symmetric."""
    covariances = [side.covariance.numpy() for side in (reference, generated)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = np.asarray(scipy.linalg.sqrtm(covariances[0] @ covariances[1])).real
    apart = (reference.mean - generated.mean).square().sum()
    return float(apart + sum(np.trace(covariance) for covariance in covariances) - 2 * np.trace(root))


def known_pair(rows: int, width: int) -> tuple[Tensor, Moments, Moments, float]:
    """Return rows, the moments of both sides and their distance: commuting covariances stretched along their axes."""
    source = torch.Generator().manual_seed(width)
    values = torch.randn(rows, width, generator=source, dtype=torch.float64) / torch.arange(1, width + 1).sqrt()
    first = Moments.of(values)
    variances, axes = torch.linalg.eigh(first.covariance)
    stretches = 0.5 + torch.rand(width, generator=source, dtype=torch.float64)
    covariance = axes * (variances.clamp(min=0) * stretches.square()) @ axes.mT
    second = Moments.from_covariance(rows, first.mean, covariance)
    return values, first, second, float((variances.clamp(min=0) * (1 - stretches).square()).sum())


def line(rows: int, width: int) -> str:
    """Return the row of a table."""
    values, first, second, distance = known_pair(rows, width)
    own, found = timed(lambda: frechet_distance(first, second))
    other, by_root = timed(lambda: by_square_root(first, second))
    itself, root_itself = frechet_distance(first, first), by_square_root(first, first)
    running = RunningMoments(width)
    streaming, _ = timed(lambda: [running.update(list(some[:, None]), ids) for some, ids in _batches(values)])
    whole = Moments(**{name: value for name, value in running.compute().items() if name != "clips"})
    drift = float((whole.covariance - first.covariance).abs().max() / first.covariance.abs().max())
    figures = f"{own:.2f} | {other:.2f} | {abs(found - distance):.0e} | {abs(by_root - distance):.0e}"
    return f"| {width} | {rows} | {figures} | {itself:.0e} | {abs(root_itself):.0e} | {streaming:.2f} | {drift:.0e} |"


def _batches(values: Tensor) -> list[tuple[Tensor, Tensor]]:
    return list(zip(values.split(256), torch.arange(len(values)).split(256), strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--rows", type=int, nargs="+", default=(200, 3000), help="rows of each set")
    options = parser.parse_args()
    print("| width | rows | own s | sqrtm s | own error | sqrtm error | own self | sqrtm self | streaming s | drift |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for width in options.widths:
        for rows in options.rows:
            print(line(rows, width), flush=True)


if __name__ == "__main__":
    main()
