"""Fixtures: a model so small that it can be made on the spot, complete and untrained.

What is heavy is imported where it is needed: the process that only hands out the tests reads this file as well.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from uat_lightning.backbone import DualStreamTransformer
    from uat_lightning.codec import MelCodec
    from uat_lightning.tasks import Parts
    from uat_lightning.text import BytePairTokenizer

ROOT = Path(__file__).resolve().parents[1]
CODEC = {"latent_width": 4, "mel_bands": 16, "window": 512, "mel_hop": 256, "patch": 4, "iterations": 4}
TOKENIZER = {"canvas": 32, "vocabulary_size": 256}
BACKBONE = {"latent_width": 4, "vocabulary_size": 256, "canvas": 32, "width": 32, "depth": 1, "heads": 2}
DATA = {
    "train_clips": 8,
    "validation_clips": 4,
    "test_clips": 2,
    "shortest": 1.0,
    "longest": 1.5,
    "batch_size": 4,
    "workers": 0,
}


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real audio, or skip the test where there is none."""
    named = os.environ.get("UAT_SHARED")
    folder = Path(named or ROOT.parent / "shared")
    if named and not folder.is_dir():
        pytest.fail(f"UAT_SHARED names {folder}, which is no folder: mend it, or unset it to do without real audio")
    if not folder.is_dir():
        pytest.skip(f"no real audio: {folder} is absent (name it with UAT_SHARED)")
    return folder


@pytest.fixture(scope="session")
def clips() -> list[Any]:
    from uat_lightning.data.soundscapes import Soundscapes

    soundscapes = Soundscapes(shortest=1.0, longest=1.5)
    return [soundscapes.clip("train", index) for index in range(8)]


@pytest.fixture(scope="session")
def tiny_codec(clips: list[Any]) -> MelCodec:
    import numpy as np
    import torch

    from uat_lightning.codec import MelCodec

    codec = MelCodec(**CODEC)
    audio = np.concatenate([clip.audio for clip in clips])
    codec.fit(torch.from_numpy(audio)[None, None])
    return codec


@pytest.fixture(scope="session")
def tiny_tokenizer(clips: list[Any]) -> BytePairTokenizer:
    from uat_lightning.text import BytePairTokenizer

    tokenizer = BytePairTokenizer(**TOKENIZER)
    tokenizer.fit([caption for clip in clips for caption in clip.captions])
    return tokenizer


@pytest.fixture
def tiny_backbone() -> DualStreamTransformer:
    """Return a network whose every weight matters: nothing is left at its zero start."""
    import torch

    from uat_lightning.backbone import DualStreamTransformer

    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = DualStreamTransformer(**BACKBONE)
        for weight in backbone.parameters():
            torch.nn.init.normal_(weight, std=0.1)
    return backbone.eval()


@pytest.fixture
def tiny_parts(tiny_backbone: DualStreamTransformer, tiny_codec: MelCodec, tiny_tokenizer: BytePairTokenizer) -> Parts:
    from uat_lightning.tasks import Parts

    return Parts(tiny_backbone, tiny_codec, tiny_tokenizer)


@pytest.fixture
def tiny_pipeline_folder(tiny_parts: Parts, tmp_path: Path) -> Path:
    from uat_lightning.pipeline import UATPipeline

    UATPipeline(tiny_parts).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def tiny_data(tmp_path: Path) -> dict[str, Any]:
    """Return settings of a Soundscapes DataModule; give it an unfitted codec and tokenizer of your own."""
    return {**DATA, "cache": str(tmp_path / "cache")}
