"""What kinds of text processes there are, for those who must choose what suits one."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

from uat_lightning.diffusion.base import Objective

T = TypeVar("T")


class TextProcess(Objective):
    """A process of caption tokens that says how texts are written with it."""

    @abstractmethod
    def suited(self, any_order: T, left_to_right: T) -> T:
        """Return what suits the process.

        Args:
            any_order: What suits processes whose tokens are hidden and found in any order.
            left_to_right: What suits processes that tell the next token from those before it.
        """


class AnyOrderProcess(TextProcess):
    """Base of processes whose tokens are hidden and found in any order."""

    def suited(self, any_order: T, left_to_right: T) -> T:
        """Return the first."""
        return any_order
