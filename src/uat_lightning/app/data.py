"""`uat data`: a door with rooms of its own, for looking after data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import yaml

from uat_lightning.app.options import call
from uat_lightning.app.shipped import find_config

COMMANDS = {"check": "read every clip once and tell what is wrong with it"}


def data(args: Sequence[str]) -> None:
    """Run one of the commands that look after data.

    Args:
        args: The command and its options.

    Raises:
        ValueError: If there is no such command, or its input is wrong.
    """
    command, *options = args or ["--help"]
    if command in ("-h", "--help"):
        print(_overview())
    elif command in COMMANDS:
        function: Callable[..., None] = getattr(import_module(f"uat_lightning.app.data_{command}"), f"data_{command}")
        call(f"data {command}", function, with_data_of_configs(options))
    else:
        raise ValueError(f"no command 'data {command}': choose among {', '.join(COMMANDS)}")


def with_data_of_configs(args: Sequence[str]) -> list[str]:
    """Return a command line in which the ``data`` section of a config stands in place of ``--config FILE``.

    Raises:
        ValueError: If a config is unknown, or has no such section.
    """
    found: list[str] = []
    waiting = iter(args)
    for argument in waiting:
        option, equals, name = argument.partition("=")
        if option in ("--config", "-c"):
            found += ["--data", _section(name if equals else next(waiting, ""))]
        else:
            found.append(argument)
    return found


def _section(name: str) -> str:
    file = find_config(name)
    settings = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    if not isinstance(settings.get("data"), dict):
        raise ValueError(f"{file} has no section `data`: name a config of a training")
    return json.dumps(settings["data"])


def _overview() -> str:
    lines = [f"  {name:10}{words}" for name, words in COMMANDS.items()]
    return "\n".join(
        ["usage: uat data COMMAND [options]", "", *lines, "", "uat data COMMAND --help tells its options."]
    )
