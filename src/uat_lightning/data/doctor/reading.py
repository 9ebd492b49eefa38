"""Measuring many clips, by several processes at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from uat_lightning.data.doctor.measurement import Measurement, measure
from uat_lightning.data.manifest import Entry

TOGETHER = 16  # clips that travel from a worker at once


class _Clips(Dataset[Measurement]):
    def __init__(self, entries: Sequence[Entry], longest: float) -> None:
        self.entries, self.longest = entries, longest

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Measurement:
        return measure(self.entries[index], self.longest)


def measurements(entries: Sequence[Entry], longest: float, workers: int) -> Iterator[Measurement]:
    """Yield what each clip is like, in order, with a progress bar.

    Args:
        entries: The clips.
        longest: Seconds that a clip may have.
        workers: Processes that read; 0 to read in this one.
    """
    loader = DataLoader(_Clips(entries, longest), TOGETHER, num_workers=workers, collate_fn=list)
    with tqdm(total=len(entries), desc="Reading", unit=" clips", mininterval=0.5, file=sys.stderr) as bar:
        for some in loader:
            yield from some
            bar.update(len(some))
