"""`uat shards`: look after folders of shards."""

from __future__ import annotations

from pathlib import Path

SHOWN = 3  # damages named in the complaint


def shards(*words: str) -> None:
    """Look after folders of shards: `uat shards verify FOLDER` or `uat shards index FOLDER`.

    verify reads every clip and compares it with its checksum. index makes WebDataset tars of sound files with captions
    readable in place: it adds index.parquet and meta.json beside them.

    Args:
        *words: verify or index, then folders; verify takes what fsspec reaches (s3://...) as well.

    Raises:
        ValueError: If a folder is damaged or cannot be used.
    """
    actions = {"verify": _verify, "index": _index}
    if len(words) < 2 or words[0] not in actions:
        raise ValueError(f"say what to do and with which folder: uat shards {' or '.join(actions)} FOLDER")
    for folder in words[1:]:
        actions[words[0]](folder)


def _verify(folder: str) -> None:
    from uat_lightning.data.shards.store import ShardFolder
    from uat_lightning.data.shards.verify import damaged

    opened = ShardFolder(folder)
    found = list(damaged(opened))
    if found:
        raise ValueError(f"{folder}: {len(found)} of {len(opened.index)} clips are damaged. {'; '.join(found[:SHOWN])}")
    print(f"{folder}\t{len(opened.index)} clips in {len(opened.meta.shards)} shards are as they were written")


def _index(folder: str) -> None:
    from uat_lightning.data.shards.foreign import index_tars

    told = index_tars(Path(folder))
    left_out = f"; {told.skipped} left out" if told.skipped else ""
    print(f"{folder}\t{told.clips} clips in {len(told.shards)} tars{left_out}")
