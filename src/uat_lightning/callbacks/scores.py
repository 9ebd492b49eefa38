"""Scores of what the model can do so far, while it trains."""

from __future__ import annotations

from lightning.pytorch import LightningModule, Trainer

from uat_lightning.backbone.sharding import gathered
from uat_lightning.callbacks.after_validation import AfterValidation
from uat_lightning.callbacks.ema import averaged_weights
from uat_lightning.callbacks.samples import share
from uat_lightning.callbacks.scored import ScoredTask, split_of


class ScoreTasks(AfterValidation):
    """Does tasks after validation and logs their scores, ``validation/NAME/SCORE``, with the averaged weights.

    In a test, as of ``uat test``, it does them on the test clips and logs ``test/NAME/SCORE``. Any logger gets the
    scores, and ``ModelCheckpoint`` may watch them. Processes share the rows out among them, row by row the same
    whichever does it, and all have the scores of all rows. The sanity check is left out.

    Args:
        tasks: What to do, by the name it has in the log.
        every_n_validations: Validations from one time to the next.
        from_epoch: First epoch to do it in, from 0: a model that knows nothing yet is not worth the time.
        seed: Seed of the first row of every task; row i has ``seed + i``, the same every time.
    """

    def __init__(
        self, tasks: dict[str, ScoredTask], every_n_validations: int = 1, from_epoch: int = 0, seed: int = 0
    ) -> None:
        super().__init__(every_n_validations)
        self.tasks, self.from_epoch, self.seed = tasks, from_epoch, seed

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Complain now of what cannot be done, not after the first epoch."""
        for task in self.tasks.values():
            task.check(trainer, pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Complain now of what cannot be done."""
        self.on_fit_start(trainer, pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do the tasks on the test clips and log their scores."""
        self.on_validation_epoch_end(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do the tasks and log their scores."""
        if self.due(trainer, self.from_epoch):
            with averaged_weights(trainer, pl_module):
                for name, task in self.tasks.items():
                    self._score(name, task, trainer, pl_module)

    def _score(self, name: str, task: ScoredTask, trainer: Trainer, module: LightningModule) -> None:
        task.begin(trainer, module)
        rows = share(task.count, trainer.global_rank, trainer.world_size)
        with gathered(module):  # processes take other steps, and some none
            if rows:
                task.add(trainer, module, rows, self.seed)
        scores = {f"{split_of(trainer)}/{name}/{score}": float(value) for score, value in task.scores().items()}
        module.log_dict(scores, sync_dist=True)  # equal on all processes, and Lightning warns otherwise
