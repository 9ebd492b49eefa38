"""A shard that is being written, clip by clip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uat_lightning.data.shards import latents as latent_format
from uat_lightning.data.shards import tar
from uat_lightning.data.shards.index import content_hash
from uat_lightning.data.shards.moments import Moments
from uat_lightning.data.shards.names import member_name
from uat_lightning.data.shards.spans import Span


class Draft:
    """Writes a shard's clips under a temporary name, and keeps what the index will say of them.

    Args:
        span: The shard's clips.
        shard: Its place among all shards.
        file: Where to write.
        width: Channels of a latent frame.
    """

    def __init__(self, span: Span, shard: int, file: Path, width: int) -> None:
        self.span, self.shard, self.file = span, shard, file
        self.rows: list[dict[str, Any]] = []
        self.skipped: list[dict[str, Any]] = []
        self.moments = Moments.none(width)
        self.size = 0
        self._stream = file.open("wb")

    def add(self, uid: str, latents: NDArray[np.float16], captions: tuple[str, ...], rate: int) -> None:
        """Write a clip.

        Args:
            uid: Its uid.
            latents: Its latents (frames, channels).
            captions: All of its captions.
            rate: Samples per second of the audio behind it, in Hz.
        """
        content = latent_format.packed(latents)
        offset = tar.add(self._stream, member_name(uid, latent_format.SUFFIX), content)
        place = {"uid": uid, "shard": self.shard, "offset": offset, "size": len(content), "frames": len(latents)}
        words = {"source": self.span.source, "split": self.span.split, "captions": list(captions)}
        self.rows.append({**place, "sample_rate": rate, **words, "hash": content_hash(content)})
        self.moments += Moments.of(latents)

    def skip(self, clip: int, reason: str) -> None:
        """Note a clip that cannot be used, by its number in the corpus."""
        self.skipped.append({"split": self.span.split, "source": self.span.source, "clip": clip, "reason": reason})

    def close(self) -> None:
        """End the tar, and see that it is on the disk."""
        with self._stream as stream:
            self.size = tar.end(stream)
            stream.flush()
            os.fsync(stream.fileno())

    def record(self) -> dict[str, Any]:
        """Return what is known of the shard as a whole."""
        return {
            "size": self.size,
            "clips": len(self.rows),
            "moments": self.moments.plain(),
            "skipped": self.skipped,
        }
