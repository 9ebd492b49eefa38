from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

plt.switch_backend("agg")

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def code(name: str) -> list[str]:
    (notebook,) = (file for file in NOTEBOOKS if file.name == name)
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_your_own_data(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told, names = [], {"__name__": "notebook"}
    for cell in code("03_your_own_data.ipynb"):
        exec(compile(cell, "notebook", "exec"), names)
        told.append(capsys.readouterr().out)
    _, beside, manifest, dataset, screened, batch = told
    assert "0 missing" in beside and re.search(r"Folder train: 2 clips with \d+ captions; 2 found", manifest)
    assert "AudioCaps train: 3 clips with 3 captions; 2 found, 1 missing" in dataset
    assert "yt:-bell_ringX:30000 train/_bell_ringX_30.flac ('A bell rings',)" in dataset
    assert "yt:Yes_it_rain:0 train/YYes_it_rain.wav ('Rain falls, then stops',)" in dataset
    assert "Folder train" in screened and "0 unreadable, 1 filtered" in screened
    assert batch.startswith("torch.Size([4,")


@pytest.mark.slow
def test_edit(capsys, tiny_pipeline_folder, monkeypatch):
    """Every cell runs on an untrained model, in a few steps, with the notebook's own players and pictures."""
    played, shown = play_into_lists(monkeypatch)
    (tiny_pipeline_folder.parent / "runs" / "quickstart").mkdir(parents=True)
    tiny_pipeline_folder.rename(tiny_pipeline_folder.parent / "runs" / "quickstart" / "model")
    monkeypatch.chdir(tiny_pipeline_folder.parent)
    names, told = {"__name__": "notebook"}, []
    for cell in code("02_edit.ipynb"):
        exec(compile(cell.replace("Euler(50)", "Euler(2)"), "notebook", "exec"), names)
        told.append(capsys.readouterr().out)
    _, triplet, instruction, methods, region, _ = told
    assert "replace the whistle with a fast saw" in triplet and instruction.startswith("heard: ")
    assert [line.split(":")[0] for line in methods.splitlines()[:3]] == ["FlowEdit", "SDEdit", "EditFriendlyInversion"]
    assert "FlowEdit: 4 evaluations" in methods and "SDEdit: 2 evaluations" in methods
    assert "samples kept behind the region: True" in region
    assert len(shown) in (4, 5) and len(played) >= 9  # an untrained model may hear nothing that can be replaced
    assert all(len(sound) == 1 and sound.shape[1] > 16_000 for sound in played)
    # At strength 0 both methods return the source, so that all of both curves to it begin at 0.
    curves = shown[-1].axes[0].lines
    assert [line.get_ydata()[0] for line in curves[1::2]] == pytest.approx([0, 0], abs=0.05)


def play_into_lists(monkeypatch) -> tuple[list, list]:
    """Let players and pictures of a notebook end in lists: Jupyter is no dependency of ours."""
    played, shown, module = [], [], types.ModuleType("IPython.display")
    module.Audio = lambda data, rate: data
    module.display = played.append
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf()))
    return played, shown


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.name)
def test_notebooks_hold_no_outputs(notebook: Path):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
