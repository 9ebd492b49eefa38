"""What a sound file must be before anything of it is decoded, and what its header says."""

from __future__ import annotations

import re
from pathlib import Path

import soundfile

HIGHEST_RATE = 1_536_000  # Hz; twice what any recorder has: beyond it the header lies
STREAMED = 0x7FFFF000  # sizes from here on are what recorders write that cannot know the size
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # names of files may hold newlines and worse
OGG_PAGE = 27 + 255 + 255 * 255  # bytes of the longest page


class AudioError(ValueError):
    """A sound file that cannot be used.

    Args:
        message: Names the file and says what to do; becomes one line whatever the name.
    """

    def __init__(self, message: str) -> None:
        super().__init__(CONTROL.sub(lambda found: repr(found[0])[1:-1], message))


def undecodable(file: Path, error: Exception) -> AudioError:
    """Return what to say of a file that a decoder gave up on."""
    return AudioError(f"{file} cannot be decoded ({reason(error)}): convert it to WAV or FLAC")


def reason(error: Exception) -> str:
    """Return what a library says in its error, in one line."""
    text = getattr(error, "error_string", "") or getattr(error, "strerror", "") or str(error)
    return " ".join(str(text).split()).rstrip(".") or "damaged or cut short"


def check_exists(file: Path) -> None:
    """See that there is a file with something in it.

    Raises:
        AudioError: If the file is missing, empty, a folder or a device, or its name is none.
    """
    try:
        status = file.stat()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        missing = isinstance(error, FileNotFoundError)
        raise AudioError(f"{file} {'does not exist' if missing else reason(error)}: check the path") from error
    if file.is_dir():
        raise AudioError(f"{file} is a folder: name a sound file in it")
    if not file.is_file():
        raise AudioError(f"{file} is not a regular file: save the audio to a file first")
    if status.st_size == 0:
        raise AudioError(f"{file} is empty (0 bytes): fetch or record it again")


def check_rate(file: Path, rate: int) -> None:
    """See that a sample rate in Hz can be one.

    Raises:
        AudioError: If no recorder has it.
    """
    if not 0 < rate <= HIGHEST_RATE:
        raise AudioError(f"{file} claims a sample rate of {rate} Hz: its header is damaged, convert it anew")


def length(file: Path, sound: soundfile.SoundFile) -> int:
    """Return the frames that a header claims, after a look at whether the file can hold them.

    Raises:
        AudioError: If the header is damaged or the file ends before its header says.
    """
    check_rate(file, sound.samplerate)
    if sound.frames >= 1 << 62:
        raise AudioError(f"{file} does not say how long it is: convert it anew, to a file and not through a pipe")
    cut = re.search(r"(?:data|SSND) ?: (\d+) \(should be (\d+)\)", sound.extra_info)
    if (cut and int(cut[2]) < int(cut[1]) < STREAMED) or _ends_in_mid_page(file, sound.format):
        raise AudioError(f"{file} is truncated, it ends before its header says: fetch or record it again")
    if sound.frames == 0:
        raise AudioError(f"{file} holds no samples: record it again")
    return int(sound.frames)


def _ends_in_mid_page(file: Path, file_format: str) -> bool:
    """Return whether an Ogg file stops inside a page; libsndfile only leaves the page out."""
    if file_format != "OGG":
        return False
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - OGG_PAGE))
        tail = stream.read()
    page = tail[tail.rfind(b"OggS") :]
    return len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])
