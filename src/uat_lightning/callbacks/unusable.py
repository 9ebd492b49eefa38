"""Names the clips that turned out to be unusable."""

from __future__ import annotations

import logging

from lightning.pytorch import Callback, LightningModule, Trainer

from uat_lightning.data.quarantine import Quarantine

log = logging.getLogger(__name__)


class NameUnusable(Callback):
    """Says at the end of each epoch which clips could not be used since the last, and how often others stood in.

    It asks the DataModule, which keeps a ``Quarantine`` for each source that it reads while training, in a dictionary
    ``quarantines`` by name; one that keeps none has nothing to tell.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log a warning for each source with news."""
        self._tell(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Log what is known when a run breaks off."""
        self._tell(trainer)

    def _tell(self, trainer: Trainer) -> None:
        quarantines: dict[str, Quarantine] = getattr(getattr(trainer, "datamodule", None), "quarantines", {})
        for name, quarantine in quarantines.items() if trainer.is_global_zero else ():
            news = quarantine.tell()
            if news:
                log.warning("%s: %s", name, news)
