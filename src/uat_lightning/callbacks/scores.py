"""Scores of what the model can do so far, while it trains."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from uat_lightning.callbacks.ema import averaged_weights
from uat_lightning.callbacks.samples import share
from uat_lightning.callbacks.scored import ScoredTask


class ScoreTasks(Callback):
    """Does tasks after validation and logs their scores, ``validation/NAME/SCORE``, with the averaged weights.

    Any logger gets them, and ``ModelCheckpoint`` may watch them. Processes share the rows out among them, row by row
    the same whichever does it, and all have the scores of all rows. The sanity check is left out.

    Args:
        tasks: What to do, by the name it has in the log.
        every_n_validations: Validations from one time to the next.
        from_epoch: First epoch to do it in, from 0: a model that knows nothing yet is not worth the time.
        seed: Seed of the first row of every task; row i has ``seed + i``, the same every time.
    """

    def __init__(
        self, tasks: dict[str, ScoredTask], every_n_validations: int = 1, from_epoch: int = 0, seed: int = 0
    ) -> None:
        if every_n_validations < 1:
            raise ValueError(f"every_n_validations must be at least 1, got {every_n_validations}")
        self.tasks, self.every_n_validations = tasks, every_n_validations
        self.from_epoch, self.seed, self.validations = from_epoch, seed, 0

    def state_dict(self) -> dict[str, Any]:
        """Return the validations counted so far."""
        return {"validations": self.validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.validations = state_dict["validations"]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Complain now of what cannot be done, not after the first epoch."""
        for task in self.tasks.values():
            task.check(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do the tasks and log their scores."""
        if trainer.sanity_checking:
            return
        self.validations += 1
        due = self.validations % self.every_n_validations == 0 and trainer.current_epoch >= self.from_epoch
        if trainer.state.fn != "fit" or due:
            with averaged_weights(trainer, pl_module):
                for name, task in self.tasks.items():
                    self._score(name, task, trainer, pl_module)

    def _score(self, name: str, task: ScoredTask, trainer: Trainer, module: LightningModule) -> None:
        task.begin(trainer, module)
        rows = share(task.count, trainer.global_rank, trainer.world_size)
        if rows:
            task.add(trainer, module, rows, self.seed)
        scores = {f"validation/{name}/{score}": float(value) for score, value in task.scores().items()}
        module.log_dict(scores, sync_dist=True)  # equal on all processes, and Lightning warns otherwise
