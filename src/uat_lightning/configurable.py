"""Objects that remember how they were made, so that a saved model can be rebuilt from plain JSON."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T", bound="Configurable")


class Configurable:
    """Base of every part a yaml file may name: it keeps its constructor's arguments.

    A subclass does nothing for it. The description has the form that the command line reads
    (``class_path`` and ``init_args``), and holds plain values and other ``Configurable`` objects only.
    """

    init_args: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Configurable:  # noqa: ANN401
        """Bind the constructor's arguments to their names before the constructor runs."""
        self = super().__new__(cls)
        object.__setattr__(self, "init_args", _named(inspect.signature(cls.__init__), self, *args, **kwargs))
        return self

    def describe(self) -> dict[str, Any]:
        """Return ``{"class_path": ..., "init_args": {...}}`` of plain values."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return {"class_path": path, "init_args": {name: _plain(value) for name, value in self.init_args.items()}}

    def is_described_by(self, description: object) -> bool:
        """Return whether a description that went through JSON is this object's."""
        return bool(json.loads(json.dumps(self.describe(), default=str)) == description)


def _named(signature: inspect.Signature, *args: object, **kwargs: object) -> dict[str, Any]:
    bound = signature.bind_partial(*args, **kwargs)
    bound.apply_defaults()
    named: dict[str, Any] = {}
    for name, value in list(bound.arguments.items())[1:]:
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            named[name] = value
    return named


def _plain(value: object) -> object:
    if isinstance(value, Configurable):
        return value.describe()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def rebuild(description: dict[str, Any], role: type[T]) -> T:
    """Make the object that ``describe`` described.

    Args:
        description: ``{"class_path": ..., "init_args": {...}}``.
        role: The base class that the object must have.

    Raises:
        ValueError: If the class is neither of this package nor imported already, or not of that role, or does not
            take the arguments. A model folder is somebody's file: it may not make Python import modules of its
            choosing.
    """
    try:
        module_name, _, class_name = str(description["class_path"]).rpartition(".")
        init_args = dict(description.get("init_args", {}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a description of a {role.__name__}: {str(description)[:80]!r}") from error
    # Not getattr: a module may import others when an attribute is asked for.
    made = vars(_known_module(module_name, class_name)).get(class_name)
    if not (isinstance(made, type) and issubclass(made, role)):
        raise ValueError(f"{module_name}.{class_name} is not a {role.__name__}")
    revived = {name: _revive(value) for name, value in init_args.items()}
    try:
        return made(**revived)
    except Exception as error:  # what a constructor raises for a foreign argument is its own
        raise ValueError(f"cannot make {module_name}.{class_name} as described: {error}") from error


def _known_module(module_name: str, class_name: str) -> object:
    if module_name in sys.modules:
        return sys.modules[module_name]
    if module_name.split(".")[0] != __name__.split(".")[0]:
        raise ValueError(f"the model needs {module_name}.{class_name}: import {module_name} first, if you trust it")
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(f"this version of uat-lightning has no {module_name}.{class_name}: {error}") from error


def _revive(value: object) -> object:
    if isinstance(value, dict):
        whole = "class_path" in value
        return rebuild(value, Configurable) if whole else {name: _revive(item) for name, item in value.items()}
    return [_revive(item) for item in value] if isinstance(value, list) else value
