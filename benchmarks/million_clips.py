"""What a million clips cost to list: memory of entries and of columns, time to join a list with a folder.

    python benchmarks/million_clips.py --clips 1000000 --folder million

makes an AudioSetCaps list and as many empty files, and prints what was measured, each case in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

WORDS = "a man speaks while birds chirp and an engine idles in the distance, followed by a dog that barks twice"
LIST = "YouTube-8M_AudioSetCaps_caption.csv"


def make(folder: Path, clips: int, words: int) -> None:
    """Make the list and the files, a thousand to a folder."""
    (folder / "lists").mkdir(parents=True)
    caption = " ".join((WORDS.split() * 9)[:words]).replace(",", "")
    with (folder / "lists" / LIST).open("w") as stream:
        stream.write("id,caption\n")
        for clip in range(clips):
            stream.write(f"{clip:011}_{clip % 600}_10,{caption} {clip}\n")
    for clip in range(clips):
        beneath = folder / "audio" / f"{clip // 1000:06}"
        if clip % 1000 == 0:
            beneath.mkdir(parents=True)
        (beneath / f"{clip:011}_{clip % 600}_10.flac").touch()


def resident(kind: str = "RssAnon") -> float:
    """Return memory of this process in MB: what it holds alone, or VmHWM, the most it ever had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def measure(folder: Path, entries: bool) -> None:
    """Print what the corpus costs, as columns or as a list of entries."""
    from uat_lightning.data.corpora import AudioSetCaps
    from uat_lightning.data.corpus import digest

    before, most, began = resident(), resident("VmHWM"), time.perf_counter()
    clips = AudioSetCaps(str(folder / "audio"), str(folder / "lists")).splits["train"]
    joined = time.perf_counter() - began
    if entries:
        clips = list(clips)
    held = resident() - before
    began = time.perf_counter()
    some = [clips[place] for place in range(0, len(clips), max(1, len(clips) // 1000))]
    each = (time.perf_counter() - began) / len(some) * 1e6
    began = time.perf_counter()
    digest(clips)
    described = time.perf_counter() - began
    kind = "list of entries" if entries else f"columns ({clips.table.nbytes / 1e6:.0f} MB)"
    print(
        f"{kind}: {len(clips):,} clips, joined in {joined:.1f} s, {held:.0f} MB held, "
        f"{resident('VmHWM') - most:.0f} MB more at most, {each:.0f} us a clip, {described:.1f} s to describe all"
    )


def main() -> None:
    """Make the data where it is not there, and measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument(
        "--words", type=int, default=10, help="words of a caption: 10 as in AudioCaps, 30 in AudioSetCaps"
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--case", choices=("columns", "entries"))
    args = parser.parse_args()
    if args.case:
        measure(args.folder, args.case == "entries")
        return
    if not args.folder.exists():
        make(args.folder, args.clips, args.words)
    for case in ("columns", "entries"):
        subprocess.run([sys.executable, __file__, "--folder", str(args.folder), "--case", case], check=True)


if __name__ == "__main__":
    main()
