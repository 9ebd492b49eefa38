"""What is done after every so many validations."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, Trainer


class AfterValidation(Callback):
    """Counts validations, over interruptions too; the sanity check is none.

    Args:
        every_n_validations: Validations from one time to the next.

    Raises:
        ValueError: If that is not above 0.
    """

    def __init__(self, every_n_validations: int = 1) -> None:
        if every_n_validations < 1:
            raise ValueError(f"every_n_validations must be at least 1, got {every_n_validations}")
        self.every_n_validations, self.validations = every_n_validations, 0

    def state_dict(self) -> dict[str, Any]:
        """Return the validations counted so far."""
        return {"validations": self.validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.validations = state_dict["validations"]

    def due(self, trainer: Trainer, from_epoch: int = 0) -> bool:
        """Count a validation that ends, and say whether it is one of those; outside of training, each is."""
        if trainer.sanity_checking:
            return False
        self.validations += 1
        turn = self.validations % self.every_n_validations == 0 and trainer.current_epoch >= from_epoch
        return turn or trainer.state.fn != "fit"
