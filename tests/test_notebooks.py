from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def code(name: str) -> list[str]:
    (notebook,) = (file for file in NOTEBOOKS if file.name == name)
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_your_own_data(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told, names = [], {"__name__": "notebook"}
    for cell in code("02_your_own_data.ipynb"):
        exec(compile(cell, "notebook", "exec"), names)
        told.append(capsys.readouterr().out)
    _, beside, manifest, dataset, screened, batch = told
    assert "0 missing" in beside and re.search(r"Folder train: 2 clips with \d+ captions; 2 found", manifest)
    assert "AudioCaps train: 3 clips with 3 captions; 2 found, 1 missing" in dataset
    assert "yt:-bell_ringX:30000 train/_bell_ringX_30.flac ('A bell rings',)" in dataset
    assert "yt:Yes_it_rain:0 train/YYes_it_rain.wav ('Rain falls, then stops',)" in dataset
    assert "Folder train" in screened and "0 unreadable, 1 filtered" in screened
    assert batch.startswith("torch.Size([4,")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.name)
def test_notebooks_hold_no_outputs(notebook: Path):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
