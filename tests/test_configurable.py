from __future__ import annotations

import copy
import json
import pickle
import sys
from pathlib import Path

import pytest

from uat_lightning.codec import Codec, MelCodec
from uat_lightning.configurable import Configurable, rebuild
from uat_lightning.diffusion import Conditional, LogitNormal, Objective, RectifiedFlow, SquareSampler, Uniform


class Part(Configurable):
    """Takes arguments in every way there is."""

    def __init__(self, first: int, second: str = "b", *, parts: object = None, **others: object) -> None:
        self.seen = (first, second, parts, others)


class Heir(Part):
    """Hands everything on."""

    def __init__(self, extra: int = 0, **others: object) -> None:
        super().__init__(**others)
        self.extra = extra


class Bare(Configurable):
    """Has no constructor of its own."""


class Picky(Configurable):
    """Refuses what it is given."""

    def __init__(self, number: int) -> None:
        self.share = 1 / number


def there_and_back(part: Configurable) -> Configurable:
    return rebuild(json.loads(json.dumps(part.describe())), Configurable)


@pytest.mark.parametrize(
    "part",
    [Part(1), Part(1, "c", parts=[1, 2], more=3), Part(first=2, other=None), Heir(1, first=3, second="x", loose=1)],
)
def test_a_part_comes_back_from_its_description_as_plain_json(part: Part):
    back = there_and_back(part)
    assert type(back) is type(part)
    assert back.seen == part.seen


def test_a_part_without_arguments_comes_back():
    for part in (Bare(), RectifiedFlow(), Uniform()):
        assert part.describe()["init_args"] == {}
        assert type(there_and_back(part)) is type(part)


def test_parts_inside_parts_come_back_wherever_they_stand():
    square = there_and_back(Conditional(LogitNormal(0.5, 2.0), Uniform(), drop_text=0.3))
    assert isinstance(square, Conditional)
    assert square.audio.describe()["init_args"] == {"mean": 0.5, "deviation": 2.0}
    assert square.drop_text == 0.3
    nested = there_and_back(Part(1, parts=[Uniform(), {"deep": LogitNormal()}], named=RectifiedFlow()))
    (uniform, deep), named = nested.seen[2], nested.seen[3]["named"]
    assert isinstance(uniform, Uniform)
    assert isinstance(deep["deep"], LogitNormal)
    assert isinstance(named, RectifiedFlow)


def test_a_path_is_described_as_its_text(tmp_path: Path):
    assert there_and_back(Part(1, parts=tmp_path)).seen[2] == str(tmp_path)


def test_copies_and_pickles_remember_how_they_were_made():
    for part in (LogitNormal(0.5), MelCodec(latent_width=7)):
        for again in (copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
            assert again.describe() == part.describe()


@pytest.mark.parametrize(
    "description", [None, 3, "x", [], {}, {"class_path": 3}, {"class_path": "a.B", "init_args": 5}]
)
def test_what_is_no_description_is_refused(description: object):
    with pytest.raises(ValueError, match=r"not a description of a Codec|import .* first"):
        rebuild(description, Codec)


@pytest.mark.parametrize("path", ["os.system", "subprocess.Popen", "builtins.eval", "builtins.dict", "pathlib.Path"])
def test_an_arbitrary_class_is_refused(path: str):
    with pytest.raises(ValueError, match=f"{path} is not a Codec"):
        rebuild({"class_path": path, "init_args": {}}, Codec)


def test_a_module_that_is_not_imported_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=r"the model needs evil\.Codec: import evil first, if you trust it"):
        rebuild({"class_path": "evil.Codec"}, Codec)
    assert "evil" not in sys.modules


def test_a_module_that_imports_on_demand_is_not_asked(monkeypatch: pytest.MonkeyPatch):
    lazy = type(sys)("lazy_package")
    lazy.__getattr__ = lambda name: pytest.fail("asked for an attribute")
    monkeypatch.setitem(sys.modules, "lazy_package", lazy)
    with pytest.raises(ValueError, match=r"lazy_package\.Codec is not a Codec"):
        rebuild({"class_path": "lazy_package.Codec"}, Codec)


def test_arguments_are_not_a_way_round(monkeypatch: pytest.MonkeyPatch):
    inside = {"class_path": f"{__name__}.Part", "init_args": {"first": {"class_path": "subprocess.Popen"}}}
    with pytest.raises(ValueError, match=r"subprocess\.Popen is not a Configurable"):
        rebuild(inside, Configurable)


def test_a_part_in_another_role_is_refused():
    with pytest.raises(ValueError, match="RectifiedFlow is not a SquareSampler"):
        rebuild(RectifiedFlow().describe(), SquareSampler)


@pytest.mark.parametrize("path", ["uat_lightning.codec.nothing.Codec", "uat_lightning.codec.Nothing"])
def test_a_class_that_this_version_lacks_is_named(path: str):
    with pytest.raises(ValueError, match=path):
        rebuild({"class_path": path}, Codec)


@pytest.mark.parametrize(
    "description",
    [
        {"class_path": "uat_lightning.codec.Codec"},
        {"class_path": "uat_lightning.codec.MelCodec", "init_args": {"colour": "red"}},
        {"class_path": "uat_lightning.codec.MelCodec", "init_args": {"window": "wide"}},
        {"class_path": f"{__name__}.Picky", "init_args": {"number": 0}},
    ],
)
def test_arguments_that_the_class_does_not_take_are_a_value_error_that_names_it(description: dict):
    with pytest.raises(ValueError, match=f"cannot make {description['class_path']} as described"):
        rebuild(description, Configurable)


def test_an_objective_is_an_objective():
    assert isinstance(rebuild(RectifiedFlow().describe(), Objective), RectifiedFlow)
