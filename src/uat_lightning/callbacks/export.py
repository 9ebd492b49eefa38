"""The trained model as a folder that `uat generate` and others read."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from uat_lightning.backbone import Backbone
from uat_lightning.backbone.sharding import units, unsharded
from uat_lightning.callbacks.ema import averaged_weights
from uat_lightning.codec import Codec
from uat_lightning.diffusion import ContinuousProcess, MaskedAbsorbing, RectifiedFlow, TextProcess
from uat_lightning.pipeline import CONFIG, UATPipeline
from uat_lightning.tasks import Parts
from uat_lightning.text import Tokenizer


class ExportPipeline(Callback):
    """Saves backbone, codec, tokenizer and processes as one folder when training ends.

    The weights are the averaged ones where there are. It saves too when ``max_time`` or the keyboard ends training, but
    not after an error and not in a ``fast_dev_run``. A model that is there already is replaced. Where weights are
    sharded, the keyboard leaves the last checkpoint alone: processes may be stopped in different places.

    Args:
        folder: The model folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Complain of the folder now, not after the training.

        Raises:
            ValueError: If it is not one to write a model into.
        """
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            check_folder(self.folder)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the model."""
        self._save(trainer, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save the model where somebody stopped the training, as far as it came."""
        stopped = isinstance(exception, KeyboardInterrupt) and trainer.state.fn == "fit" and trainer.global_step
        if stopped and not units(pl_module):
            self._save(trainer, pl_module)

    def _save(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        with averaged_weights(trainer, module):
            parts = trained_pipeline(trainer, module).parts
            parts = replace(parts, backbone=unsharded(parts.backbone))  # every process has its shares to give
            if trainer.is_global_zero:
                UATPipeline(parts).save_pretrained(self.folder)
        rank_zero_info(f"saved the model to {self.folder}")


def check_folder(folder: Path) -> None:
    """See that a model can be written into a folder.

    Raises:
        ValueError: If something else is there, or nothing can be written.
    """
    if folder.exists() and not (folder / CONFIG).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(f"{folder} holds something else than a model: empty it, or name another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent):
            pass
    except OSError as error:
        raise ValueError(f"cannot write a model to {folder}: {error.strerror or error}: name another folder") from error


def trained_pipeline(trainer: Trainer, module: LightningModule) -> UATPipeline:
    """Return the backbone in training with its processes, and its data's codec and tokenizer.

    Raises:
        ValueError: If the module has no backbone, or the data has no codec or tokenizer.
    """
    data = trainer.datamodule  # type: ignore[attr-defined]
    backbone, codec, tokenizer = (
        getattr(owner, name, None) for owner, name in ((module, "backbone"), (data, "codec"), (data, "tokenizer"))
    )
    if not (isinstance(backbone, Backbone) and isinstance(codec, Codec) and isinstance(tokenizer, Tokenizer)):
        raise ValueError("a pipeline needs a module with a backbone, and a DataModule with a codec and a tokenizer")
    processes = trained_process(module), trained_text(module)
    return UATPipeline(Parts(backbone, codec, tokenizer, *processes))


def trained_process(module: LightningModule) -> ContinuousProcess:
    """Return the process that a module trains audio on, with a warning where it does not tell the way back."""
    process = getattr(getattr(module, "objectives", None), "audio", None)
    if isinstance(process, ContinuousProcess):
        return process
    rank_zero_warn(
        f"{type(process).__name__} is no ContinuousProcess: the saved model will be sampled as a rectified flow"
    )
    return RectifiedFlow()


def trained_text(module: LightningModule) -> TextProcess:
    """Return the process that a module trains captions on, with a warning where it does not tell how to write."""
    process = getattr(getattr(module, "objectives", None), "text", None)
    if isinstance(process, TextProcess):
        return process
    rank_zero_warn(f"{type(process).__name__} is no TextProcess: the saved model will write as one of masked texts")
    return MaskedAbsorbing()
