"""`uat data check`: what a corpus is made of, and what is wrong with it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule

# Imported so that configs may name classes without their module.
from uat_lightning import codec, text  # noqa: F401
from uat_lightning.app.data_page import render, table
from uat_lightning.app.output import check_numbers, check_place, save_text
from uat_lightning.data import folder  # noqa: F401
from uat_lightning.data.doctor import LONGEST, Listed, examine, of_data, of_folder, of_manifests
from uat_lightning.data.soundscapes import datamodule  # noqa: F401

CLIPS = ".clips.jsonl"  # not .jsonl alone, as a manifest may have the page's name


def data_check(
    *manifests: str,
    root: str | None = None,
    data: LightningDataModule | None = None,
    out: str | None = None,
    longest: float | None = None,
    workers: int = 2,
) -> None:
    """Read every clip once and tell what is wrong with it: `uat data check --config folder.yaml --data.root sounds`.

    Clips are those of a training's config, of manifests, or of a folder with captions in text files beside the sounds.
    The exit code is 0 where the data is fine, 1 where something was found that hurts a training, 2 for wrong input.

    Args:
        *manifests: Manifests (.jsonl, .csv or .tsv) to check.
        root: Folder that the manifests' paths are relative to; alone, a folder to check.
        data: DataModule whose clips to check; --config FILE takes it from a config, --data.root and so on change it.
        out: Page to write, .html, which stands alone; beside it .json with everything and .clips.jsonl with every clip.
        longest: Seconds of a clip that are read, longer ones are reported; what the data says, or 600.
        workers: Processes that read.

    Raises:
        ValueError: If an option or a manifest cannot be used, or there are no clips.
        SystemExit: With code 1, where something was found that hurts a training.
    """
    if workers < 0:
        raise ValueError(f"workers must not be negative, got {workers}")
    if out:
        check_place(Path(out), ".html", ".htm")
        check_place(Path(out).with_suffix(CLIPS), ".jsonl")
    if longest is not None:
        check_numbers(longest=longest)
    listed = _listed(manifests, root, data, longest)
    record = _written(Path(out), listed, workers) if out else examine(listed, workers).record()
    print(table(record))
    if any(finding["hurts"] for finding in record["findings"]):
        raise SystemExit(1)


def _listed(
    manifests: tuple[str, ...], root: str | None, data: LightningDataModule | None, longest: float | None
) -> Listed:
    place = Path(root).expanduser() if root else None
    if data is not None and (manifests or root):
        raise ValueError("name either manifests or a config: `--data.root` is the root of a config's clips")
    if data is not None:
        return of_data(data, longest)
    if manifests:
        return of_manifests(manifests, place, longest or LONGEST)
    if place is None:
        raise ValueError("nothing to check: name a manifest, --root FOLDER, or --config folder.yaml --data.root FOLDER")
    return of_folder(place, longest or LONGEST)


def _written(page: Path, listed: Listed, workers: int) -> dict[str, Any]:
    """Examine, and write the page and what belongs to it; each file whole or not at all."""
    page.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{page.name}-", dir=page.parent) as temporary:
        lines = Path(temporary) / "clips.jsonl"
        with lines.open("w", encoding="utf-8") as stream:
            record = examine(listed, workers, stream).record()
        save_text(page.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
        save_text(page, render(record))
        lines.replace(page.with_suffix(CLIPS))
    return record
