"""`uat fit`, `validate`, `test` and `predict`: LightningCLI over any backbone, process and data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile, is_zipfile

from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

# Imported so that configs may name classes without their module.
from uat_lightning import backbone, callbacks, codec, diffusion, learning_rate, sampling, tasks, text  # noqa: F401
from uat_lightning.data import folder  # noqa: F401
from uat_lightning.data.shards import datamodule as shards  # noqa: F401
from uat_lightning.data.soundscapes import datamodule, scorer  # noqa: F401
from uat_lightning.module import UATModule


class UATCLI(LightningCLI):
    """LightningCLI that takes any ``UATModule`` and any ``LightningDataModule``."""

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse arguments given from Python as quietly as those of the command line."""
        if isinstance(args, (dict, Namespace)):
            self.config = parser.parse_object(args)
        else:
            self.config = parser.parse_args(args)
        check_checkpoint(self.config[self.config["subcommand"]].get("ckpt_path"))


def check_checkpoint(name: str | Path | None) -> None:
    """See that a checkpoint named by its path is one, before anything is built or encoded.

    Raises:
        ValueError: If the file is missing or is no checkpoint.
    """
    if name is None or str(name) in ("last", "best", "hpc", "registry") or "://" in str(name):
        return
    if not Path(name).exists():
        raise ValueError(f"no checkpoint {name}: check the path, or go on from the newest with --ckpt_path last")
    if Path(name).is_file() and not _is_checkpoint(Path(name)):
        raise ValueError(f"{name} is not a checkpoint, or it is damaged")


def _is_checkpoint(file: Path) -> bool:
    if not is_zipfile(file):
        return False
    with ZipFile(file) as archive:
        return any(name.endswith("/data.pkl") for name in archive.namelist())


def train(args: Sequence[str]) -> UATCLI:
    """Run one of Lightning's commands.

    Args:
        args: The command (``fit``, ``validate``, ``test`` or ``predict``) and its options.

    Returns:
        The command line object, with its ``trainer``, ``model`` and ``datamodule``.

    Raises:
        jsonargparse.ArgumentError: If an option or a config is wrong.
        ValueError: If parts do not fit each other, or data cannot be used.
    """
    # Here a checkpoint keeps the config in place of the module, which is what the warning asks for.
    warnings.filterwarnings("ignore", message="Attribute '.*' is an instance of `nn.Module`")
    parsers = {command: {"exit_on_error": False} for command in UATCLI.subcommands()}
    return UATCLI(
        UATModule,
        LightningDataModule,
        save_config_kwargs={"overwrite": True},
        trainer_defaults={"use_distributed_sampler": False},
        seed_everything_default=0,
        parser_kwargs={"prog": "uat", "exit_on_error": False, **parsers},
        subclass_mode_model=True,
        subclass_mode_data=True,
        args=list(args),
        auto_configure_optimizers=False,
    )
