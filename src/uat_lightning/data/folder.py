"""Training on a folder of one's own."""

from __future__ import annotations

from typing import Any

from uat_lightning.codec import Codec
from uat_lightning.data.audio_text import AudioTextDataModule, Share
from uat_lightning.data.corpora.folder import Folder
from uat_lightning.text import Tokenizer


class FolderDataModule(AudioTextDataModule):
    """Sound files with captions from a folder.

    Without a manifest, every sound file under the folder with a ``.txt`` of the same name beside it is a clip; a line
    of the text is a caption. ``data/manifest.py`` says what a manifest holds, ``Folder`` how clips to validate on are
    chosen.

    Args:
        codec: Turns waveforms into latents.
        tokenizer: Turns captions into token ids.
        root: The folder.
        manifest: A ``.jsonl``, ``.csv`` or ``.tsv`` file in the folder, or anywhere with an absolute path.
        validation_manifest: Another one, of clips to validate on.
        validation_split: Split or fold of the manifest to validate on.
        validation_share: Share of the files to validate on otherwise, 0 to 1; at least one.
        longest_file: Seconds of a clip that are read; longer clips are left out and reported: name parts of them.
        longest_seconds: Seconds kept of a clip, cropped anew at each visit; all where None.
        settings: Those of ``AudioTextDataModule``.
    """

    def __init__(
        self,
        codec: Codec,
        tokenizer: Tokenizer,
        root: str,
        manifest: str | None = None,
        validation_manifest: str | None = None,
        validation_split: str = "validation",
        validation_share: float = 0.05,
        longest_file: float = 120.0,
        longest_seconds: float | None = 10.0,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        validation = (validation_manifest, validation_split, validation_share)
        folder = Folder(root, manifest, *validation, longest_file=longest_file)
        corpora = {"folder": Share(folder)}
        super().__init__(codec, tokenizer, corpora=corpora, longest_seconds=longest_seconds, **settings)
