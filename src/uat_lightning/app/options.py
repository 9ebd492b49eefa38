"""From a documented function to a command: its signature becomes the options, its docstring the help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from docstring_parser import parse
from jsonargparse import ArgumentParser


def call(command: str, function: Callable[..., None], args: Sequence[str]) -> None:
    """Call a function with what the command line says.

    Args:
        command: The command's name, for the help.
        function: A function with a Google docstring; ``*names`` become positional arguments, the rest options.
        args: The command line behind the command.

    Raises:
        jsonargparse.ArgumentError: If an option is unknown, missing or of the wrong type.
    """
    parser, positional = _parser(command, function)
    parsed = parser.parse_args(list(args))
    settings = vars(parser.instantiate_classes(parsed))
    function(*(settings.pop(positional) if positional else ()), **settings)


def _parser(command: str, function: Callable[..., None]) -> tuple[ArgumentParser, str | None]:
    documented = parse(function.__doc__ or "")
    words = " ".join(filter(None, (documented.short_description, documented.long_description)))
    parser = ArgumentParser(prog=f"uat {command}", description=words, exit_on_error=False)
    positional = next(
        (p.name for p in inspect.signature(function).parameters.values() if p.kind is p.VAR_POSITIONAL), None
    )
    if positional:
        helps = {parameter.arg_name.lstrip("*"): parameter.description for parameter in documented.params}
        parser.add_argument(positional, nargs="*", default=[], help=helps.get(positional))
    parser.add_function_arguments(function, as_group=False)
    return parser, positional
