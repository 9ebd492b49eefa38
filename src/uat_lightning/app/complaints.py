"""Errors as people want to read them: one line that names the thing and the remedy."""

from __future__ import annotations

import difflib
import inspect
import re
from pydoc import locate

LONGEST = 400  # characters of a line


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = _essence(lines) if any(_KEY.search(line) or line == "Errors:" for line in lines) else " ".join(lines)
    return _shortened(_hinted(text or type(error).__name__))


_KEY = re.compile(r'Parser key "([^"]+)":(.*)')
_CLASS = re.compile(r"Problem with given class_path '([^']+)':")
_PROLOGUE = ("Does not validate against", "Subtypes:", "Errors:")


def _essence(lines: list[str]) -> str:
    """Walk down jsonargparse's tree of complaints along its first branch, and return the leaf with its place."""
    keys: list[str] = []
    owner = ""
    leaf = ""
    for line in (line.removeprefix("- ") for line in lines):
        if found := _KEY.match(line):
            keys.append(found[1])
            leaf = found[2].strip()
        elif found := _CLASS.match(line):
            owner = found[1]
        elif not line.startswith(_PROLOGUE):
            leaf = line
        if leaf:
            break
    return ": ".join(filter(None, [".".join(keys), _plain(leaf, owner)]))


def _plain(leaf: str, owner: str) -> str:
    leaf = re.sub(r"^Type .* expects a function or a callable class: ", "", leaf)
    leaf = re.sub(r"\. Got value: Namespace\(.*", "", leaf)
    leaf = re.sub(r"Expected an? (?:<class '([\w.]+)'>|typing.Literal(.*?\]))", r"expected \1\2", leaf)
    leaf = re.sub(r"\. Got value: (.*)", r", got \1", leaf)
    unknown = re.match(r"Option '([^']+)' is not accepted", leaf)
    return f"{owner or 'the class'} has no option {unknown[1]!r}{_nearest(unknown[1], owner)}" if unknown else leaf


def _nearest(option: str, owner: str) -> str:
    cls = locate(owner)
    names = list(inspect.signature(cls).parameters) if isinstance(cls, type) else []
    return "".join(f"; did you mean {name!r}?" for name in difflib.get_close_matches(option, names, n=1))


def _hinted(text: str) -> str:
    """Name missing arguments as they are given, and say what gives those of a training."""
    found = re.match(r"the following arguments are required: (.*)", text)
    if not found:
        return text
    missing = [f"--{name.split('.')[-1]}" for name in found[1].split(", ")]
    hint = "; a config has them: --config quickstart.yaml" if "--model" in missing else ""
    return f"missing {', '.join(missing)}{hint}"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
