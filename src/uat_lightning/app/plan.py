"""`uat plan`: what a training takes, before anything is downloaded or computed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from uat_lightning.app import train  # noqa: F401  imports what configs may name without its module
from uat_lightning.app.output import check_numbers, check_place, save_text
from uat_lightning.app.planning.estimate import Estimate, parts
from uat_lightning.app.planning.footprint import Footprint
from uat_lightning.app.planning.recipe import read_recipe
from uat_lightning.app.planning.rehearsal import rehearse
from uat_lightning.app.planning.tables import printed
from uat_lightning.module import UATModule

DeviceName = Literal["V100", "RTX4090", "A100", "H100", "H200", "B200"]
# Dense products in half precision with float32 sums, 10^12 operations a second, from the makers' data sheets.
PEAKS = {"V100": 125.0, "RTX4090": 165.2, "A100": 312.0, "H100": 989.4, "H200": 989.4, "B200": 2250.0}


@dataclass(frozen=True)
class Assumptions:
    """What is trained on, and how well it is used.

    Args:
        devices: Devices in all, over all nodes.
        device: Their kind, which tells the peak.
        peak_teraflops: Peak of a device in 10^12 operations a second; that of its kind where None.
        utilisation: Share of the peak that training reaches, above 0, up to 1; .3 to .5 is usual for large widths.
        seconds: Length of the clips; the data's longest where None.
        out: File for the same numbers, .json; none where None.
    """

    devices: int = 1
    device: DeviceName = "A100"
    peak_teraflops: float | None = None
    utilisation: float = 0.4
    seconds: float | None = None
    out: str | None = None

    @property
    def peak(self) -> float:
        """Peak of a device, operations a second."""
        return 1e12 * (self.peak_teraflops or PEAKS[self.device])

    def check(self) -> None:
        """See that the numbers can be.

        Raises:
            ValueError: If one cannot, or the file cannot be written.
        """
        check_numbers(devices=self.devices, peak_teraflops=self.peak, utilisation=self.utilisation)
        if self.utilisation > 1:
            raise ValueError(f"utilisation is a share of the peak, up to 1, got {self.utilisation:g}")
        if self.seconds is not None:
            check_numbers(seconds=self.seconds)
        if self.out is not None:
            check_place(Path(self.out), ".json")


class PlanParser(LightningArgumentParser):
    """Takes a config whose data are not there yet."""

    def validate(self, cfg: Namespace, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Look at everything but the data, which may lack a folder."""
        if "data" in cfg:  # the parsers of single classes are of this kind, too
            cfg = cfg.clone()
            cfg["data"], kwargs["skip_required"] = None, True
        super().validate(cfg, *args, **kwargs)


class PlanCLI(LightningCLI):
    """Reads what ``uat fit`` reads, and the assumptions; builds nothing."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the assumptions."""
        parser.add_class_arguments(Assumptions)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse arguments given from Python as quietly as those of the command line."""
        self.config = parser.parse_args(args)  # type: ignore[arg-type]

    def instantiate_classes(self) -> None:
        """Leave everything as it is described."""


def plan(args: Sequence[str]) -> None:
    """Tell parameters, arithmetic, memory and time of a training.

    Args:
        args: ``--config`` and other options of ``uat fit``, and those of ``Assumptions``.

    Raises:
        ValueError: If an option cannot be used, or the config does not tell what is needed.
    """
    warnings.filterwarnings("ignore", message="Attribute '.*' is an instance of `nn.Module`|.*weight_norm.*")
    config = parsed(args)
    assumed = Assumptions(**{name: config[name] for name in asdict(Assumptions())})
    assumed.check()
    recipe = read_recipe(config, assumed.seconds)
    rehearsal = rehearse(recipe, assumed.devices)
    estimate = Estimate(recipe, rehearsal, assumed.devices, assumed.peak, assumed.utilisation)
    told: dict[str, Any] = {"assumptions": {**asdict(assumed), "peak_teraflops": assumed.peak / 1e12}}
    told |= {"parameters": parts(recipe), "step": estimate.step(), "time": estimate.time()}
    told |= {"memory": Footprint(recipe, rehearsal, assumed.devices).table()}
    print(printed(told))
    if assumed.out is not None:
        save_text(Path(assumed.out), json.dumps(told, indent=2) + "\n")


def parsed(args: Sequence[str]) -> Namespace:
    """Return what a command line and its configs say."""
    made = PlanCLI(
        UATModule,
        LightningDataModule,
        save_config_callback=None,
        seed_everything_default=False,
        parser_kwargs={"prog": "uat plan", "exit_on_error": False},
        subclass_mode_model=True,
        subclass_mode_data=True,
        args=list(args),
        run=False,
        parser_class=PlanParser,
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,
    )
    config: Namespace = made.config
    return config
