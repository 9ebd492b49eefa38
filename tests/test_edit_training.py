"""A training on clips and edits together: it learns from the source, and goes on bit for bit after a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from toy_training import CANVAS, VOCABULARY, WIDTH, ToneCorpus, ToneData, Tones, Trace, toy_trainer
from uat_lightning.backbone import DualStreamTransformer, Isolated, SourceLatents
from uat_lightning.data.audio_text import Share
from uat_lightning.data.corpus import Corpus
from uat_lightning.data.source import CaptionedAudio, Source
from uat_lightning.diffusion import Conditional, LogitNormal, MaskedAbsorbing, PassPerDirection, RectifiedFlow, Uniform
from uat_lightning.module import UATModule
from uat_lightning.types import Batch, Pair, Sequences

STEPS = 10  # of an epoch of four


class Quieter(Source):
    """Tones at a tenth of their level, as edits of the tones."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> CaptionedAudio:
        tone = Tones(10)[index]
        return CaptionedAudio(f"quieter-{index}", np.float32(0.1) * tone.waveform, ("quieter",), tone.waveform)


class QuieterTones(Corpus):
    """The quieter tones, to train and to validate on."""

    split_names = ("train", "validation")
    holds_edits = True

    def source(self, split: str, sample_rate: int, channels: int) -> Source:
        return Quieter()

    def description(self) -> dict[str, Any]:
        return {"quieter": 10}


def data(folder: Path) -> ToneData:
    corpora = {"tones": Share(ToneCorpus()), "edits": Share(QuieterTones(), captioning=0)}
    return ToneData(folder, corpora=corpora, epoch_steps=4, batch_size=8)


def module(source: SourceLatents | None = None) -> UATModule:
    torch.manual_seed(0)
    sizes = {"width": 16, "depth": 1, "heads": 2, "coupling": Isolated()}
    return UATModule(
        DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, source=source or SourceLatents(), **sizes),
        RectifiedFlow(),
        MaskedAbsorbing(),
        Conditional(LogitNormal(), Uniform(), drop_text=0.2, drop_audio=0.2, drop_source=0.3),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-2),
        passes=PassPerDirection(),
    )


def test_a_resumed_training_on_edits_is_the_uninterrupted_one_bit_for_bit(tmp_path: Path):
    keep = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole, first = Trace(), module()
    toy_trainer(tmp_path, STEPS, whole, keep, enable_checkpointing=True).fit(first, datamodule=data(tmp_path))
    rest, second = Trace(), module()
    torch.manual_seed(999)
    toy_trainer(tmp_path, STEPS, rest).fit(second, datamodule=data(tmp_path), ckpt_path=tmp_path / "step=6.ckpt")
    assert len(whole.losses) == STEPS
    assert rest.losses == whole.losses[6:]
    assert rest.validation == whole.validation[-len(rest.validation) :]
    assert first.backbone.source.entrance.weight.abs().sum() > 0
    for name, weight in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], weight), name


def test_what_the_source_tells_is_learned_and_known_apart_from_its_absence():
    """The target is the source itself: whoever sees it knows the clean latents, whoever does not can only guess."""
    learner = module()
    learner.square.drop_text = learner.square.drop_source = 0.3
    optimizer = torch.optim.AdamW(learner.parameters(), lr=1e-2)
    for _ in range(250):
        optimizer.zero_grad()
        learner.losses(copies(seen=True))["audio"].backward()
        optimizer.step()
    learner.square.drop_text = learner.square.drop_source = 0.0
    with torch.no_grad():
        seen, unseen = (
            np.mean([float(learner.losses(copies(seen))["audio"]) for _ in range(20)]) for seen in (True, False)
        )
    assert seen < 0.5 * unseen


def copies(seen: bool) -> Batch:
    rows, frames = 32, 6
    latents = Sequences(torch.randn(rows, frames, WIDTH), torch.full((rows,), frames))
    text = Sequences(torch.full((rows, CANVAS), 5), torch.full((rows,), CANVAS))
    sources = Sequences(latents.values, latents.lengths * seen)
    return Batch(Pair(latents, text), torch.ones(rows, dtype=torch.bool), sources=sources)
