from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "uat_lightning"
SOURCE = Path(__file__).resolve().parents[1] / "src" / PACKAGE
FLOORS = (
    "types tensors configurable learning_rate strategy text_encoder",
    "codec text backbone metrics",
    "diffusion data",
    "sampling",
    "tasks",
    "module pipeline encoding",
    "callbacks",
    "cli app",
)
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names.split()}
FORBIDDEN = {"util", "utils", "common", "helper", "helpers", "misc"}
FILES = sorted(SOURCE.rglob("*.py"))


def module_name(file: Path) -> str:
    parts = (PACKAGE, *file.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file: Path) -> set[str]:
    """Return the rooms of this package that a file imports, wherever in it."""
    package = module_name(file) if file.name == "__init__.py" else module_name(file).rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{target}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith(PACKAGE + ".")}


def room(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_run_downwards_only(file: Path):
    here = room(file)
    if here == "__init__":
        assert imported(file) == set()
        return
    others = {name for name in imported(file) if name != here and name in FLOOR}
    assert [name for name in others if FLOOR[name] > FLOOR[here]] == []
    # Parts of one floor do not know each other; single files on the ground and doors on top may.
    beside = [name for name in others if FLOOR[name] == FLOOR[here] and FLOOR[here] not in (0, len(FLOORS) - 1)]
    assert beside == []


def test_the_law_sees_what_is_imported():
    offender = SOURCE / "codec" / "base.py"
    assert imported(offender) == {"configurable"}
    assert "data" in imported(SOURCE / "pipeline.py")
    assert {"backbone", "diffusion", "types"} <= imported(SOURCE / "module.py")


def test_every_room_has_its_floor():
    assert {room(file) for file in FILES} - {"__init__", "configs"} == set(FLOOR)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_room_is_a_drawer_for_everything(file: Path):
    assert not FORBIDDEN & {part.removesuffix(".py") for part in file.relative_to(SOURCE).parts}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_every_public_name_is_documented(file: Path):
    tree = ast.parse(file.read_text())
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bare = [] if ast.get_docstring(tree) or not tree.body or file.name == "__init__.py" else ["the module"]
    for node in tree.body:
        if not isinstance(node, kinds) or node.name.startswith("_"):
            continue
        inside = node.body if isinstance(node, ast.ClassDef) else []
        methods = [child for child in inside if isinstance(child, kinds) and not child.name.startswith("_")]
        bare += [name.name for name in (node, *methods) if not ast.get_docstring(name)]
    assert bare == []


def configured_classes() -> list[type]:
    """Return the classes that a yaml file may name: those whose docstring becomes the command line's help."""
    modules = [importlib.import_module(module_name(file)) for file in FILES if room(file) not in ("cli", "app")]
    return [
        item
        for module in modules
        for name, item in vars(module).items()
        if isinstance(item, type) and item.__module__ == module.__name__ and not name.startswith("_")
        if "__init__" in vars(item) and "__dataclass_fields__" not in vars(item)
    ]


def test_every_argument_of_a_constructor_is_explained():
    unexplained = [
        f"{made.__module__}.{made.__name__}: {name}"
        for made in configured_classes()
        for name in inspect.signature(made).parameters
        if f"{name}:" not in (made.__doc__ or "") and name not in ("args", "kwargs")
    ]
    assert unexplained == []


@pytest.mark.slow
def test_what_generates_does_not_wait_for_what_trains():
    heavy = ("lightning", "transformers", "diffusers")
    code = f"import sys, {PACKAGE}.pipeline; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
