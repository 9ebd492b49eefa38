"""Measuring many clips, by several processes at once."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from uat_lightning.data.doctor.listed import Listed
from uat_lightning.data.doctor.measurement import Measurement, measure

TOGETHER = 16  # clips that travel from a worker at once


class _Clips(Dataset[Measurement]):
    def __init__(self, listed: Listed) -> None:
        self.listed = listed

    def __len__(self) -> int:
        return len(self.listed)

    def __getitem__(self, index: int) -> Measurement:
        return measure(*self.listed.clip(index))


def measurements(listed: Listed, workers: int) -> Iterator[Measurement]:
    """Yield what each clip is like, in order, with a progress bar.

    Args:
        listed: The clips.
        workers: Processes that read; 0 to read in this one.
    """
    loader = DataLoader(_Clips(listed), TOGETHER, num_workers=workers, collate_fn=list)
    with tqdm(total=len(listed), desc="Reading", unit=" clips", mininterval=0.5) as bar:
        for some in loader:
            yield from some
            bar.update(len(some))
