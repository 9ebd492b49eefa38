"""Where results go: places are tried before the work, files are written whole, a sidecar lies beside each."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from uat_lightning.app.model import OpenModel
from uat_lightning.data.audio import FORMATS, loudness, write_audio


def audio_files(out: str, count: int) -> list[Path]:
    """Return the files for so many results: ``out`` itself, or ``out-1``, ``out-2`` and so on.

    Raises:
        ValueError: If they cannot be written; tried before any work is done.
    """
    file, digits = Path(out), len(str(count))
    numbered = [file.with_name(f"{file.stem}-{number:0{digits}}{file.suffix}") for number in range(1, count + 1)]
    files = numbered if count > 1 else [file]
    for place in files:
        check_place(place, *FORMATS)
    return files


def check_place(file: Path, *suffixes: str) -> None:
    """See that a file and its sidecar can be written, without leaving anything behind.

    Raises:
        ValueError: If its suffix is none of those wanted, its name is a folder's, or nothing can be written there.
    """
    if file.suffix.lower() not in suffixes:
        raise ValueError(f"cannot write {file}: its name must end in {', '.join(sorted(suffixes))}")
    for taken in (file, file.with_suffix(".json")):
        if taken.is_dir():
            raise ValueError(f"cannot write {taken}: it is a folder, name a file in it")
    folder = next(place for place in file.absolute().parents if place.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"cannot write {file}: {error.strerror or error}: choose another place") from error


def save_audio(file: Path, waveform: Tensor, model: OpenModel, record: dict[str, Any]) -> None:
    """Write audio (channels, samples) and its sidecar, and say how loud it is."""
    rate = model.pipeline.sample_rate
    gain, level = write_audio(file, waveform, rate), loudness(waveform)
    sound = {"sample_rate": rate, "seconds": round(waveform.shape[1] / rate, 4), "gain_db": gain}
    levels = {"peak_dbfs": round(level.peak_dbfs + gain, 2), "rms_dbfs": round(level.rms_dbfs + gain, 2)}
    save_sidecar(file, {**record, "model": model.identity, **sound, **levels})
    turned = f", turned down {-gain:.1f} dB" if gain else ""
    print(f"{file}\t{sound['seconds']:g} s, peak {levels['peak_dbfs']} dBFS, RMS {levels['rms_dbfs']} dBFS{turned}")


def save_sidecar(file: Path, record: dict[str, Any]) -> None:
    """Write what is known of a result into ``.json`` beside it."""
    save_text(file.with_suffix(".json"), json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def save_text(file: Path, text: str) -> None:
    """Write a text file, all of it or nothing; missing folders are made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as folder:
        written = Path(folder) / file.name
        written.write_text(text, encoding="utf-8")
        written.replace(file)


def batches(count: int, size: int) -> list[range]:
    """Return the indices of ``count`` things, ``size`` at a time."""
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


def progress(rows: list[range]) -> Iterable[range]:
    """Yield batches of indices, with a progress bar where there are several and somebody looks."""
    bar: Iterable[range] = tqdm(rows, unit="batch", disable=len(rows) < 2 or None, leave=False)
    return bar


def check_numbers(seed: int = 0, **positive: float) -> None:
    """See that a seed is one and that other numbers are above 0 and finite.

    Raises:
        ValueError: With the number's name.
    """
    if not 0 <= seed < 2**62:
        raise ValueError(f"seed must be from 0 to 2^62 - 1, got {seed}")
    for name, value in positive.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be above 0, got {value}")
