"""Regions that a model finds for edits, against the stems: what is to change and what is to stay is known.

Run ``python benchmarks/regions.py --model runs/quickstart/model``. ``found`` is the mean of the mask over frames where
source and true target differ; ``kept`` is the share of the untouched events' time, outside of those, where the mask is
0, so that the source's samples stay; ``kept_softly`` counts a mask of one half as half. ``chance`` is what ``kept``
would be if as many frames of the clip were taken at random.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from tqdm import tqdm

from uat_lightning.app.model import OpenModel, open_model
from uat_lightning.app.output import save_text
from uat_lightning.app.scores import plain
from uat_lightning.app.unseen import UnseenEdit, unseen_edits
from uat_lightning.data.soundscapes import Clip, Soundscapes
from uat_lightning.sampling.editing import SDEdit, VelocityDifference
from uat_lightning.tasks import Edit, Parts, SoftMask, Source

AUDIBLE = 1e-3  # root mean square of a frame


def loud_frames(samples: Tensor, count: int, hop: int) -> Tensor:
    """Return the frames in which samples (samples,) are to be heard, bool (frames,)."""
    padded = torch.nn.functional.pad(samples, (0, count * hop - len(samples)))
    return padded.view(count, hop).square().mean(-1).sqrt() > AUDIBLE


def untouched(clip: Clip, names: frozenset[str]) -> Tensor:
    """Return the sum of the stems of some events, (samples,)."""
    own = [stem for stem, event in zip(clip.stems, clip.scene.events, strict=True) if event.name in names]
    return torch.from_numpy(sum(own)) if own else torch.zeros(len(clip.audio))


def masks(parts: Parts, edits: Sequence[UnseenEdit], task: Edit, written: bool) -> list[Tensor]:
    """Return the mask found for each edit, (frames,)."""
    found = []
    for row, unseen in enumerate(tqdm(edits, desc="Finding regions", leave=False)):
        source = Source(unseen.source, unseen.prompt, None if written else unseen.heard)
        region = task.edit(parts, [source], 0, row)[0].region
        assert isinstance(region, SoftMask)
        found.append(region.mask)
    return found


def scores(
    parts: Parts, edits: Sequence[UnseenEdit], found: Sequence[Tensor], low: float, high: float
) -> dict[str, float]:
    """Return what masks keep and find, with other bounds than those they were made with (0 and 1)."""
    rows: dict[str, list[float]] = {"found": [], "kept": [], "kept_softly": [], "chance": []}
    for unseen, raw in zip(edits, found, strict=True):
        mask, hop = ((raw - low) / (high - low)).clamp(0, 1), parts.codec.hop
        changed = loud_frames((unseen.target - unseen.source)[0], len(mask), hop)
        stays = loud_frames(untouched(unseen.edit.source, unseen.before & unseen.after), len(mask), hop) & ~changed
        rows["found"].append(float(mask[changed].mean()))
        if stays.any():
            rows["kept"].append(float((mask[stays] == 0).float().mean()))
            rows["kept_softly"].append(float(1 - mask[stays].mean()))
            rows["chance"].append(float((mask == 0).float().mean()))
    return {name: fmean(values) for name, values in rows.items()}


def main() -> None:
    """Find regions, print a table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="runs/quickstart/model")
    parser.add_argument("--split", default="validation", choices=["validation", "test"])
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/regions.json"))
    options = parser.parse_args()
    model = open_model(options.model, "cpu")
    soundscapes = Soundscapes(sample_rate=model.pipeline.sample_rate)
    edits = unseen_edits(soundscapes, model.parts, range(options.edits), options.split)
    results = table(model, edits)
    about = {"model": model.identity["weights_sha256"], "split": options.split, "edits": len(edits), "seed": 0}
    about |= {"date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()}
    save_text(options.out, json.dumps(plain({"protocol": about, "results": results}), indent=1) + "\n")


def table(model: OpenModel, edits: Sequence[UnseenEdit]) -> list[dict[str, object]]:
    """Return and print the scores for several bounds, and for who says what the source is."""
    rows: list[dict[str, object]] = []
    print("| source's text | low | high | found | kept | kept softly | chance |\n|---|---|---|---|---|---|---|")
    for written in (False, True):
        # Strength 0 changes nothing: only the region is wanted.
        task = Edit(SDEdit(0.0), finder=VelocityDifference(low=0.0, high=1.0))
        found = masks(model.parts, edits, task, written)
        for low, high in ((0.2, 0.4), (0.2, 0.5), (0.3, 0.5), (0.3, 0.6), (0.4, 0.6), (0.5, 0.8)):
            row = {"source": "written" if written else "given", "low": low, "high": high}
            row |= scores(model.parts, edits, found, low, high)
            rows.append(row)
            numbers = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()]
            print(f"| {' | '.join(numbers)} |", flush=True)
    return rows


if __name__ == "__main__":
    main()
