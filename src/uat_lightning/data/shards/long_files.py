"""What becomes of clips that are too long to be one: a declared policy, the same for every run."""

from __future__ import annotations

from abc import ABC, abstractmethod

from uat_lightning.configurable import Configurable


class LongFiles(Configurable, ABC):
    """Says which parts of a clip are kept; every part has all of its captions."""

    @abstractmethod
    def cut(self, samples: int, sample_rate: int) -> list[tuple[int, int]]:
        """Return the parts to keep, first sample and the one behind the last, in order; at least one.

        Args:
            samples: Samples of the clip, at least 1.
            sample_rate: Samples per second, in Hz.
        """


class Whole(LongFiles):
    """Every clip is kept whole."""

    def cut(self, samples: int, sample_rate: int) -> list[tuple[int, int]]:
        """Return all of it."""
        return [(0, samples)]


class FirstSeconds(LongFiles):
    """A clip is cut after some seconds.

    Args:
        seconds: What is kept of a clip, above 0.
    """

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds = seconds

    def cut(self, samples: int, sample_rate: int) -> list[tuple[int, int]]:
        """Return the beginning."""
        return [(0, min(samples, _samples(self.seconds, sample_rate)))]


class Windows(LongFiles):
    """A clip is cut into consecutive windows, which become clips of their own (``uid#0``, ``uid#1`` and so on).

    Args:
        seconds: Length of a window, above 0.
        shortest: Shortest rest that is still a window, in seconds; a clip shorter than that is kept nevertheless.
    """

    def __init__(self, seconds: float = 10.0, shortest: float = 1.0) -> None:
        self.seconds, self.shortest = seconds, shortest

    def cut(self, samples: int, sample_rate: int) -> list[tuple[int, int]]:
        """Return the windows."""
        window, least = _samples(self.seconds, sample_rate), self.shortest * sample_rate
        starts = range(0, samples, window)
        return [(start, min(start + window, samples)) for start in starts if start == 0 or samples - start >= least]


def _samples(seconds: float, sample_rate: int) -> int:
    if not seconds * sample_rate >= 1:
        raise ValueError(f"parts of {seconds} s hold no sample: give seconds above 0")
    return round(seconds * sample_rate)
