"""The data order at ten million clips, by simulation: what the plan costs, before any latent is read.

    python benchmarks/plan_scale.py --out docs/scale.md

Four sources of ten million clips in all, in shards of 9,300 (about 256 MB of latents each), mixed as the paper mixes.
Every figure comes from a process of its own, times are of the processor: who else uses the machine does not matter.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from uat_lightning.data.mixture import Pool
from uat_lightning.data.plan import Plan, Rows

CLIPS_OF_A_SHARD = 9_300
SHARES = {"a": (0.5, 50, 0), "b": (0.25, 20, 15), "c": (0.15, 15, 60), "d": (0.1, 15, 25)}
ROWS, LANES, FAR = 768, 64, 100_000
CAPTIONS, FRAMES, CHANNELS = 3, 215, 64


def planned(clips: int, buckets: int) -> Plan:
    """Plan the mixture."""
    pools = []
    for name, (share, generation, captioning) in SHARES.items():
        count = round(clips * share)
        offsets = np.append(np.arange(0, count, CLIPS_OF_A_SHARD), count)
        lengths = np.random.default_rng(0).integers(0, buckets, count) if buckets > 1 else None
        pools.append(Pool(name, offsets, generation, captioning, lengths))
    return Plan(pools, ROWS, lanes=LANES)


def measured(clips: int, buckets: int, step: int, world_size: int) -> dict[str, float]:
    """Time the first batch from a step on, and those after it, as one rank sees them; see what it takes to memory."""
    before = memory()
    plan = planned(clips, buckets)
    began = time.process_time()
    plan.step(step, 0, world_size)
    first = time.process_time() - began
    began = time.process_time()
    for later in range(100):
        plan.step(step + 1 + later, 0, world_size)
    each = (time.process_time() - began) / 100
    return {"first_ms": first * 1e3, "each_ms": each * 1e3, "memory_mb": memory() - before}


def shards_of_ranks(clips: int, world_size: int, steps: int) -> dict[str, float]:
    """Count the shards that each rank reads in a stretch of steps, and those that two ranks read in one pass."""
    plan = planned(clips, 1)
    readers: dict[tuple[int, ...], set[int]] = {}
    for rank in range(world_size):
        for step in range(steps):
            for shard in shards_read(plan, plan.step(step, rank, world_size)):
                readers.setdefault(shard, set()).add(rank)
    counts = np.bincount([next(iter(ranks)) for ranks in readers.values()], minlength=world_size)
    shared = sum(len(ranks) > 1 for ranks in readers.values())
    return {"fewest": int(counts.min()), "most": int(counts.max()), "read_by_two": shared}


def shards_read(plan: Plan, rows: Rows) -> set[tuple[int, ...]]:
    """Return the shards of rows: source, shard, pass and direction."""
    firsts = np.cumsum([0, *(pool.clips for pool in plan.pools)])
    sources = np.searchsorted(firsts, rows.clips, side="right") - 1
    found: set[tuple[int, ...]] = set()
    for source, pool in enumerate(plan.pools):
        here = sources == source
        shards = np.searchsorted(pool.offsets, rows.clips[here] - firsts[source], side="right") - 1
        visits, sides = rows.visits[here], rows.generation[here].astype(int)
        found |= {(source, *map(int, which)) for which in zip(shards, visits, sides, strict=True)}
    return found


def memory() -> float:
    """Return the most memory this process had so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def alone(**arguments: int | str) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, __file__, "--only", json.dumps(arguments)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def page(clips: int, steps: int) -> str:
    """Measure, and write it down."""
    lines = []
    for world_size in (1, 8, LANES):
        for buckets in (1, 8):
            fresh = alone(what="plan", clips=clips, buckets=buckets, step=0, world_size=world_size)
            far = alone(what="plan", clips=clips, buckets=buckets, step=FAR, world_size=world_size)
            figures = (fresh["first_ms"], far["first_ms"], far["each_ms"], far["memory_mb"])
            lines.append(f"| {world_size} | {buckets} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")
    spread = [
        (world_size, alone(what="shards", clips=clips, world_size=world_size, steps=steps)) for world_size in (2, 8)
    ]
    ranks = [
        f"| {world_size} | {s['fewest']:.0f} to {s['most']:.0f} | {s['read_by_two']:.0f} |" for world_size, s in spread
    ]
    shards = sum(len(pool.offsets) - 1 for pool in planned(clips, 1).pools)
    return PAGE.format(
        clips=clips,
        shards=shards,
        rows=ROWS,
        lanes=LANES,
        far=FAR,
        steps=steps,
        offsets_kb=(shards + 4) * 8 / 1e3,
        packed_mb=clips * (2 + CAPTIONS) * 8 / 1e6,
        latents_gb=clips * FRAMES * CHANNELS * 2 / 1e9,
        captions=CAPTIONS,
        lines="\n".join(lines),
        ranks="\n".join(ranks),
        date=time.strftime("%Y-%m-%d"),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    )


PAGE = """# The data order at ten million clips

A batch is a function of (seed, plan, step): no shuffled list is kept, none is made. A place of a shuffle is computed
alone (`data/shuffle.py`), shares are dealt from decks of a thousand cards of which the count is known without dealing
(`data/deck.py`), and only the shards are ever put into an order in memory (`data/order.py`). So a fresh start, a
resumed run and another number of processes all cost the same, which is next to nothing.

Simulated: {clips:,} clips of four sources in {shards:,} shards, mixed 50/20/15/15 in generation and 0/15/60/25 in
captioning rows, {rows} rows a batch, {lanes} lanes. Written by `python benchmarks/plan_scale.py --out docs/scale.md` on
{date} ({machine}). Times are of the processor, in milliseconds.

## Latency and memory of the plan, as one rank sees them

| processes | length buckets | first batch | first batch when resumed at step {far:,} | each after it | memory, MB |
|---|---|---|---|---|---|
{lines}

Memory is what the process grew by, the shard list and, with buckets, the length of every clip included.

## Shards by rank

In {steps} steps from the beginning. A shard counts once for each direction that reads it; one read by two ranks in the
same pass would have to be fetched twice.

| processes | shards read by a rank | read by two ranks |
|---|---|---|
{ranks}

## Index

| what | size |
|---|---|
| shards in the plan: first clip of each, int64 | {offsets_kb:.0f} kB |
| packed store: where frames, captions and tokens begin, {captions} captions a clip, mapped | {packed_mb:.0f} MB |
| the latents themselves: 10 s, 64 channels, half precision | {latents_gb:.0f} GB |

The mapped index is shared by all processes of a machine and read where a batch needs it.
"""


def main() -> None:
    """Measure one thing, or everything."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="page to write; printed where absent")
    parser.add_argument("--clips", type=int, default=10_000_000)
    parser.add_argument("--steps", type=int, default=200, help="steps in which shards are counted")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        arguments = json.loads(options.only)
        what = {"plan": measured, "shards": shards_of_ranks}[arguments.pop("what")]
        print(json.dumps(what(**arguments)))
    elif options.out:
        text = page(options.clips, options.steps)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        temporary = options.out.with_name(f".{options.out.name}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(options.out)
    else:
        print(page(options.clips, options.steps))


if __name__ == "__main__":
    main()
