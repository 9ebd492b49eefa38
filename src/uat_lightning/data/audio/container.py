"""Decoding the sound of MPEG-4, QuickTime, Matroska and WebM files by FFmpeg, through the optional package PyAV.

FFmpeg gets an open file and the name of the one format that the file's first bytes show: it never opens an address or
another file that a file might name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uat_lightning.data.audio import decoder
from uat_lightning.data.audio.decoder import Decoder, Samples
from uat_lightning.data.audio.header import AudioError, check_rate, undecodable

if TYPE_CHECKING:
    from av import AudioFrame
    from av.container import InputContainer

EXTENSIONS = frozenset([".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".mka"])
LEAD = 1 << 14  # frames decoded and dropped before a part, longer than any codec's memory (Opus: 80 ms)
TOLERATED = 0.5  # seconds; tracks end a little before the file's duration, which is rounded and holds pauses
MATROSKA = b"\x1aE\xdf\xa3"
QUICKTIME = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"})


def installed() -> bool:
    """Say whether PyAV is there, without importing it."""
    return find_spec("av") is not None


def container_format(file: Path) -> str | None:
    """Return FFmpeg's name of the format that a file's first bytes show, None where it is not one of these."""
    with file.open("rb") as stream:
        head = stream.read(8)
    return "matroska" if head[:4] == MATROSKA else "mov" if head[4:8] in QUICKTIME else None


class ContainerDecoder(Decoder):
    """The first sound track of a file that FFmpeg reads.

    Times in MPEG-4 are exact, so that a part is sought. Matroska and WebM round times to milliseconds; there a part is
    exact only where the file is decoded from its beginning, which takes a millisecond for each second before it. Where
    an AAC encoder wrote "noise" in place of noise (perceptual noise substitution), the decoder makes it anew, and
    differently after a seek.

    Args:
        file: The file.
        file_format: FFmpeg's name of its format.
    """

    def __init__(self, file: Path, file_format: str) -> None:
        self.file, self.format = file, file_format
        with self._open() as container:
            stream = container.streams.audio[0]
            self.sample_rate, self.channels = stream.sample_rate, stream.channels
            check_rate(file, self.sample_rate)
            self.start = stream.start_time or 0
            self.tick = stream.time_base or Fraction(1, self.sample_rate)
            self.exact = self.tick * self.sample_rate <= 1
            self.frames = round(stream.duration * self.tick * self.sample_rate) if stream.duration else 0
        self.frames = self.frames or self._scanned()
        if self.frames < 1 or self.channels < 1:
            raise AudioError(f"{file} holds no samples: record it again")

    def blocks(self, first: int, count: int) -> Iterator[Samples]:
        """Decode a part of the track, block by block."""
        size, skip, left, some = max(1, decoder.BLOCK // self.channels), None, count, []
        for position, frames in self._decoded(max(0, first - LEAD)):
            skip = max(0, first - position) if skip is None else skip
            kept = frames[skip : skip + left]
            skip, left = max(0, skip - len(frames)), left - len(kept)
            some.append(kept)
            if sum(map(len, some)) >= size or not left:
                yield np.concatenate(some)
                some = []
            if not left:
                return
        if sum(map(len, some)):
            yield np.concatenate(some)

    def _decoded(self, first: int) -> Iterator[tuple[int, Samples]]:
        """Yield pieces of shape (frames, channels) with their place, from one before ``first`` to the end."""
        from av import AudioResampler

        converter, position = AudioResampler(format="fltp"), None if self.exact else 0
        with self._open() as container:
            if self.exact and first:
                container.seek(
                    self.start + int(first / self.sample_rate / self.tick), stream=container.streams.audio[0]
                )
            for frame in self._frames(container):
                if position is None:
                    position = self._place(frame)
                for piece in converter.resample(frame):
                    yield position, np.ascontiguousarray(piece.to_ndarray().T)
                    position += piece.samples
            # The converter keeps its last samples until it is told that no more come.
            for piece in converter.resample(None):
                yield position or 0, np.ascontiguousarray(piece.to_ndarray().T)

    def _frames(self, container: InputContainer) -> Iterator[AudioFrame]:
        for packet in container.demux(container.streams.audio[0]):
            for frame in packet.decode():
                if (frame.sample_rate, len(frame.layout.channels)) != (self.sample_rate, self.channels):
                    raise AudioError(f"{self.file} changes its rate or channels midway: convert it to WAV or FLAC")
                yield frame

    def _place(self, frame: AudioFrame) -> int:
        return 0 if frame.pts is None else round((frame.pts - self.start) * self.tick * self.sample_rate)

    def _scanned(self) -> int:
        """Return the track's frames by the times of all packets, which are not decoded.

        Raises:
            AudioError: If every track ends before the file's header says.
        """
        ends: dict[int, Fraction] = {}
        with self._open() as container:
            claimed = (container.duration or 0) / 1_000_000
            heard = container.streams.audio[0].index
            for packet in container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    ends[packet.stream_index] = max(end, ends.get(packet.stream_index, end))
        if max(ends.values(), default=Fraction(0)) < claimed - TOLERATED:
            raise AudioError(f"{self.file} is truncated, it ends before its header says: fetch or record it again")
        return round((ends.get(heard, Fraction(0)) - self.start * self.tick) * self.sample_rate)

    @contextmanager
    def _open(self) -> Iterator[InputContainer]:
        import av

        try:
            with self.file.open("rb") as stream, av.open(stream, format=self.format) as container:
                if not container.streams.audio:
                    raise AudioError(f"{self.file} has no sound track: leave it out")
                if container.streams.audio[0].codec_context is None:
                    raise AudioError(f"{self.file} has a sound track that FFmpeg cannot decode: fetch it again")
                yield container
        except AudioError:
            raise
        except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
            raise undecodable(self.file, error) from error


def open_container(file: Path, file_format: str) -> ContainerDecoder:
    """Open a file with FFmpeg.

    Args:
        file: The file.
        file_format: What ``container_format`` says.

    Raises:
        AudioError: If PyAV is not installed, or the file has no sound or is damaged.
    """
    if not installed():
        raise AudioError(f"{file} needs PyAV to be read: pip install 'uat-lightning[video]', or convert it to FLAC")
    return ContainerDecoder(file, file_format)
