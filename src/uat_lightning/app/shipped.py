"""The configs that come with the package, found by name from any folder."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import yaml


def shipped_configs() -> dict[str, Path]:
    """Return the shipped configs by file name, those within a folder as ``folder/name.yaml``."""
    package = Path(str(files("uat_lightning")))
    # Beside the modules where installed, at the top of the repository in a checkout.
    folder = next((place for place in (package / "configs", package.parents[1] / "configs") if place.is_dir()), package)
    return {file.relative_to(folder).as_posix(): file for file in sorted(folder.glob("**/*.yaml"))}


def find_config(name: str) -> str:
    """Return the file that a config's name stands for: the file itself, else a shipped one (``.yaml`` may be left out).

    Raises:
        ValueError: If there is neither (the message lists what is shipped), or the file is no YAML.
    """
    if Path(name).is_file():
        check_yaml(Path(name))
        return name
    shipped = shipped_configs()
    file = shipped.get(name) or shipped.get(f"{name}.yaml")
    if file is None:
        raise ValueError(f"no config {name}: neither a file nor one of the shipped {', '.join(shipped)}")
    return str(file)


def check_yaml(file: Path) -> None:
    """See that a file holds settings in YAML.

    Raises:
        ValueError: If it does not; the message names the file, and the line where it is no YAML.
    """
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"{file} is not YAML, line {line}: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not a text file in UTF-8") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{file} is no config: it must hold settings such as `trainer: {{max_steps: 100}}`")


def with_configs(args: Sequence[str]) -> list[str]:
    """Return a command line whose ``--config`` (or ``-c``) names files.

    Raises:
        ValueError: If a config is unknown.
    """
    found: list[str] = []
    for argument in args:
        option, equals, name = argument.partition("=")
        if found and found[-1] in ("--config", "-c"):
            found.append(find_config(argument))
        elif option in ("--config", "-c") and equals:
            found.append(f"{option}={find_config(name)}")
        else:
            found.append(argument)
    return found
