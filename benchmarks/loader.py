"""How fast one loader process reads latents: from shards, from plain ``.npz`` files, and through webdataset.

Run ``pip install webdataset`` and ``python benchmarks/loader.py``: the readers take turns in one process, medians are
compared. All give batches of the same shape in single precision; shards and files are read in random order, webdataset
in its own: shards in turn, with a shuffle buffer. The shards that webdataset reads are those that ``uat encode`` wrote.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from uat_lightning.data.shards.build import ShardBuild
from uat_lightning.data.shards.index import ROWS, SCHEMA, digest_of, open_index
from uat_lightning.data.shards.store import ShardFolder, ShardStore
from uat_lightning.text import BytePairTokenizer

FRAMES, WIDTH, BATCH = 216, 64, 32
Epoch = Callable[[int], Iterator[torch.Tensor]]


def write_shards(folder: Path, clips: int) -> None:
    """Write random latents into shards, as ``uat encode`` does."""
    about = {"latent_width": WIDTH, "frames_per_second": 21.5, "codec_digest": "0" * 64}
    build = ShardBuild(folder, {}, {"train": {"noise": clips}}, 512, lambda: about)
    build.begin()
    random = np.random.default_rng(0)
    for span in build.spans:
        draft = build.draft(span, WIDTH)
        for clip in range(span.first, span.stop):
            latents = random.standard_normal((FRAMES, WIDTH), np.float32).astype(np.float16)
            draft.add(f"clip-{clip}", latents, (f"noise number {clip}",), 44_100)
        build.keep(draft)
    build.finish()


def write_files(store: ShardStore, folder: Path) -> None:
    """Write the same latents into a ``.npz`` file each."""
    folder.mkdir()
    for clip in range(len(store)):
        latents = store.latents_of(np.array([clip]), np.zeros(1)).values[0].numpy().astype(np.float16)
        np.savez(folder / f"{clip}.npz", latents=latents)


def from_shards(store: ShardStore) -> Epoch:
    """Return a reader of the store."""

    def epoch(number: int) -> Iterator[torch.Tensor]:
        order = np.random.default_rng(number).permutation(len(store))
        for clips in order[: len(order) // BATCH * BATCH].reshape(-1, BATCH):
            yield store.latents_of(clips, np.zeros(BATCH)).values

    return epoch


def from_files(folder: Path, clips: int) -> Epoch:
    """Return a reader of the files."""

    def epoch(number: int) -> Iterator[torch.Tensor]:
        order = np.random.default_rng(number).permutation(clips)
        for some in order[: clips // BATCH * BATCH].reshape(-1, BATCH):
            yield torch.from_numpy(np.stack([_latents(folder / f"{clip}.npz") for clip in some])).float()

    return epoch


def _latents(file: Path) -> np.ndarray:
    with np.load(file, allow_pickle=False) as arrays:
        return np.asarray(arrays["latents"])


def from_webdataset(folder: Path) -> Epoch:
    """Return a reader that is webdataset's own."""
    import webdataset

    urls = sorted(str(file) for file in folder.glob("*.tar"))
    data = webdataset.WebDataset(urls, shardshuffle=100, empty_check=False).shuffle(256).decode().to_tuple("npy")
    batches = data.batched(BATCH, partial=False)

    def epoch(number: int) -> Iterator[torch.Tensor]:
        for (latents,) in batches:
            yield torch.as_tensor(np.asarray(latents)).float()

    return epoch


def measure(readers: dict[str, Epoch], rounds: int) -> dict[str, list[float]]:
    """Return the clips per second of every reader, in rounds in which each has its turn."""
    speeds: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(rounds + 1):
        for name, epoch in readers.items():
            start, rows = time.perf_counter(), 0
            for batch in epoch(turn):
                assert batch.shape == (BATCH, FRAMES, WIDTH)
                assert batch.dtype == torch.float32
                rows += len(batch)
            if turn:  # the first round warms the page cache
                speeds[name].append(rows / (time.perf_counter() - start))
    return speeds


def resident(kind: str = "RssAnon") -> float:
    """Return the megabytes of memory that are this process' own, or another line of its status."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(status[kind].split()[0]) / 1024


def memory(epoch: Epoch, epochs: int = 3) -> list[float]:
    """Return the process' own megabytes after each epoch."""
    found = []
    for number in range(epochs):
        for _ in epoch(number):
            pass
        found.append(round(resident(), 1))
    return found


def write_index(folder: Path, rows: int) -> Path:
    """Write an index of so many clips with captions of ten words."""
    file, numbers = folder / "index.parquet", range(rows)
    caption = "a bell rings twice while rain falls on a roof"
    with pq.ParquetWriter(file, SCHEMA) as writer:
        for first in numbers[::ROWS]:
            some = numbers[first : first + ROWS]
            columns = {
                "uid": [f"Y{number:011d}" for number in some],
                "shard": [number // 2048 for number in some],
                "offset": [number % 2048 * 29_184 for number in some],
                "size": [27_776] * len(some),
                "frames": [FRAMES] * len(some),
                "sample_rate": [44_100] * len(some),
                "source": ["wavcaps"] * len(some),
                "split": ["train"] * len(some),
                "captions": [[f"{caption} {number}"] for number in some],
                "hash": [number.to_bytes(16, "big") for number in some],
            }
            writer.write_table(pa.table(columns, SCHEMA))
    return file


def index_memory(file: Path) -> dict[str, float]:
    """Return the megabytes that opening and using an index adds to a process: its own, and with mapped pages."""
    before, mapped = resident(), resident("VmRSS")
    index = open_index(file, digest_of(file), file.parent / "cache")
    columns = [index.numbers(name, range(len(index))) for name in ("shard", "offset", "size", "frames")]
    for row in np.random.default_rng(0).integers(0, len(index), 2000).tolist():
        assert index.value("captions", row)
    assert all(len(column) == len(index) for column in columns)
    sizes = {"parquet": file.stat().st_size / 2**20, "own": resident() - before, "all": resident("VmRSS") - mapped}
    return {"rows": len(index), **{name: round(size, 1) for name, size in sizes.items()}}


def markdown(result: dict) -> str:
    """Return the result as a table."""
    rows = [f"| {name} | {speed:,.0f} | {ratio} |" for name, speed, ratio in result["table"]]
    head = ["# One loader process reading latents", "", f"{result['clips']} clips of float16 {WIDTH} x {FRAMES}, "]
    head[-1] += (
        f"batches of {BATCH}, medians of {result['rounds']} interleaved rounds, warm page cache; {result['machine']}."
    )
    table = ["", "| from | clips/s | shards are faster by |", "|---|---|---|", *rows, ""]
    flat = ", ".join(f"{megabytes:g}" for megabytes in result["memory_mb"])
    index = result["index_mb"]
    last = f"Own memory after each of three epochs from shards: {flat} MB. An index of {index['rows']:,} clips "
    last += (
        f"({index['parquet']} MB of parquet) adds {index['own']} MB of the process' own, {index['all']} MB with the "
    )
    return "\n".join([*head, *table, last + "pages it maps.", ""])


def main() -> None:
    """Write ``results/loader.json`` and ``.md`` beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2048)
    parser.add_argument("--index-rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(1, get_context("spawn")) as other:
        index_mb = index_memory(other.submit(write_index, Path(name), options.index_rows).result())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shards(folder / "shards", options.clips)
        tokenizer = BytePairTokenizer()
        tokenizer.fit(["noise number 1"])
        store = ShardStore(ShardFolder(folder / "shards", folder / "cache"), "train", tokenizer)
        write_files(store, folder / "files")
        readers = {
            "shards, random order": from_shards(store),
            ".npz files, random order": from_files(folder / "files", options.clips),
            "webdataset": from_webdataset(folder / "shards"),
        }
        speeds = measure(readers, options.rounds)
        flat = memory(readers["shards, random order"])
    medians = {name: statistics.median(each) for name, each in speeds.items()}
    best = medians["shards, random order"]
    load = f"load {os.getloadavg()[0]:.1f}"
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {load}, torch {torch.__version__}",
        "clips": options.clips,
        "rounds": options.rounds,
        "table": [[name, round(speed), f"{best / speed:.1f}x"] for name, speed in medians.items()],
        "speeds": {name: [round(speed) for speed in each] for name, each in speeds.items()},
        "memory_mb": flat,
        "index_mb": index_mb,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    place = Path(__file__).parent / "results"
    (place / "loader.json").write_text(json.dumps(result, indent=2) + "\n")
    (place / "loader.md").write_text(markdown(result))
    print(markdown(result))


if __name__ == "__main__":
    main()
