"""`uat encode`: a dataset to shards of latents, with `Trainer.predict`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser

from uat_lightning.app.train import UATCLI  # noqa: F401 (imports what configs may name without their module)
from uat_lightning.callbacks.clips_bar import ClipsBar
from uat_lightning.callbacks.shards import ShardWriter
from uat_lightning.data.audio_text import AudioTextDataModule
from uat_lightning.data.shards import long_files
from uat_lightning.data.shards.clips import ClipsForShards
from uat_lightning.data.shards.meta import Meta, read_meta
from uat_lightning.encoding import Encoding

WORDS = """Encode a dataset to shards, once, on as many devices and nodes as the Trainer is given.

Takes a config of `uat fit`, of which it reads data and trainer. Run it again with the same options to go on where it
was interrupted; it ends with the very same files.
"""
OF_TRAINING = ("model", "seed_everything", "ckpt_path", "weights_only", "verbose", "optimizer", "lr_scheduler")
QUIET = dict.fromkeys(("logger", "enable_checkpointing", "enable_model_summary", "use_distributed_sampler"), False)


def encode(args: Sequence[str]) -> None:
    """Run the command.

    Args:
        args: Its options.

    Raises:
        jsonargparse.ArgumentError: If an option or a config is wrong.
        ValueError: If the data cannot be used, or the folder holds something else.
    """
    parser = _parser()
    config = parser.parse_args([_without_model(argument) for argument in args])
    settings = {**dict(config.pop("trainer")), **QUIET, "precision": "32-true"}
    made = parser.instantiate_classes(config)
    clips = ClipsForShards(made.data, made.out, made.clips_per_shard, made.long_files, made.together)
    writer = ShardWriter()
    bars = [] if settings["enable_progress_bar"] is False else [ClipsBar()]
    trainer = Trainer(**_of_predicting(settings), callbacks=[writer, *bars])
    warnings.filterwarnings("ignore", message="Couldn't infer the batch indices")
    encoding = Encoding(made.data.codec, made.samples_at_once)
    complete = clips.build().complete
    trainer.predict(encoding, datamodule=clips, return_predictions=False)
    if writer.written is not None or (complete and trainer.is_global_zero):
        _tell(clips.folder, writer.written or read_meta(clips.folder))


def _parser() -> LightningArgumentParser:
    parser = LightningArgumentParser(prog="uat encode", description=WORDS, exit_on_error=False)
    parser.add_argument("-c", "--config", action="config", help="a config of `uat fit`, shipped or a file")
    parser.add_argument("--out", type=str, required=True, help="the shard folder, on a disk that all nodes see")
    parser.add_argument("--clips_per_shard", type=int, default=2048, help="clips of a shard")
    parser.add_subclass_arguments(
        long_files.LongFiles,
        "long_files",
        default={"class_path": "uat_lightning.data.shards.long_files.Whole"},
        help="what becomes of long clips: Whole, FirstSeconds or Windows",
    )
    parser.add_argument("--together", type=int, default=16, help="clips read at once")
    parser.add_argument(
        "--samples_at_once", type=int, default=1 << 23, help="samples encoded at once, if of one length"
    )
    parser.add_lightning_class_args(AudioTextDataModule, "data", subclass_mode=True)
    parser.add_lightning_class_args(Trainer, "trainer")
    return parser


def _without_model(argument: str) -> str:
    """Return an argument; a config's file as its content, the model left out, which would be imported otherwise."""
    option, equals, file = argument.rpartition("=")
    if not file.endswith((".yaml", ".yml")) or option not in ("", "-c", "--config") or not Path(file).is_file():
        return argument
    settings = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    return option + equals + yaml.safe_dump({key: settings[key] for key in settings if key not in OF_TRAINING})


def _of_predicting(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the Trainer's settings without those that are for training."""
    kept = {"accelerator", "strategy", "devices", "num_nodes", "enable_progress_bar", "default_root_dir", "plugins"}
    wanted = {*kept, *QUIET, "precision", "limit_predict_batches", "profiler"}
    return {name: value for name, value in settings.items() if name in wanted}


def _tell(folder: Path, told: Meta) -> None:
    left_out = f"; {told.skipped} left out, see skipped.jsonl" if told.skipped else ""
    print(f"{folder}\t{told.clips} clips in {len(told.shards)} shards{left_out}")
