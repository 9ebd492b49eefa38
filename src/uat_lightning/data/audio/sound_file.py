"""Decoding by libsndfile: WAV, FLAC, OGG, Opus, MP3, AIFF and more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import soundfile

from uat_lightning.data.audio import decoder
from uat_lightning.data.audio.decoder import Decoder, Samples
from uat_lightning.data.audio.header import length, undecodable

EXTENSIONS = frozenset(
    [".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".caf", ".oga", ".opus", ".rf64", ".w64"]
)
MP3_LEAD = 16 * 1152  # frames decoded and dropped before a part: MP3 borrows bits from up to nine frames before
FAILURES = (soundfile.LibsndfileError, TypeError, OSError)  # TypeError: headerless .raw


class SoundFileDecoder(Decoder):
    """A file that libsndfile reads.

    Args:
        file: The file.
        sound: The same, open.
    """

    def __init__(self, file: Path, sound: soundfile.SoundFile) -> None:
        self.file, self.sound = file, sound
        self.sample_rate, self.channels, self.frames = sound.samplerate, sound.channels, length(file, sound)

    def blocks(self, first: int, count: int) -> Iterator[Samples]:
        """Decode a part of the file, block by block; blocks may be changed in place."""
        size, stop = max(1, decoder.BLOCK // self.channels), first + count
        for begin in range(first, stop, size):
            wanted = min(size, stop - begin)
            block = self._block(begin, wanted)
            if len(block):
                yield block
            if len(block) < wanted:
                return

    def close(self) -> None:
        """Close the file."""
        self.sound.close()

    def _block(self, begin: int, count: int) -> Samples:
        lead = min(begin, MP3_LEAD) if self.sound.format == "MP3" else 0
        try:
            self.sound.seek(begin - lead)
            block: Samples = self.sound.read(lead + count, dtype="float32", always_2d=True)[lead:]
        except FAILURES as error:
            raise undecodable(self.file, error) from error
        return block


def open_sound_file(file: Path) -> SoundFileDecoder:
    """Open a file with libsndfile.

    Raises:
        AudioError: If it is no sound file, or damaged.
    """
    try:
        # As bytes: names of files may be no Unicode.
        sound = soundfile.SoundFile(os.fsencode(file) if os.name == "posix" else str(file))
    except FAILURES as error:
        raise undecodable(file, error) from error
    try:
        return SoundFileDecoder(file, sound)
    except BaseException:
        sound.close()
        raise
