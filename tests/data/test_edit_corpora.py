"""Corpora of edits in a mixture: what is cached, served, shared out and refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from uat_lightning.backbone import DualStreamTransformer, SourceLatents
from uat_lightning.codec import MelCodec
from uat_lightning.data.audio_text import AudioTextDataModule, Share
from uat_lightning.data.batches import PlannedBatches, WholeSplit
from uat_lightning.data.buckets import QuantileBuckets
from uat_lightning.data.parts import check_edits
from uat_lightning.data.shards.clips import ClipsForShards
from uat_lightning.data.soundscapes import Soundscapes, parse
from uat_lightning.data.soundscapes.corpus import SoundscapesCorpus
from uat_lightning.data.soundscapes.edit_corpus import SoundscapesEdits
from uat_lightning.data.source import CaptionedAudio
from uat_lightning.diffusion import Conditional, LogitNormal, MaskedAbsorbing, Occasion, RectifiedFlow, Uniform
from uat_lightning.module import UATModule
from uat_lightning.text import BytePairTokenizer, read_instruction

SHORT = {"shortest": 1.0, "longest": 1.5}
CODEC = {"latent_width": 4, "mel_bands": 16, "window": 512, "mel_hop": 256, "patch": 4, "iterations": 2}


def mixture(folder: Path | str, **settings: Any) -> AudioTextDataModule:
    corpora = {
        "clips": Share(SoundscapesCorpus(12, 5, 0, **SHORT), generation=1),
        "edits": Share(SoundscapesEdits(12, 3, **SHORT), generation=2, captioning=0),
    }
    usual = {"batch_size": 12, "workers": 0, "captions": 2, "seed": 3, "fit_clips": 12, **settings}
    return AudioTextDataModule(MelCodec(**CODEC), BytePairTokenizer(32, 256), corpora, cache=str(folder), **usual)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edits")
    mixture(folder).prepare_data()
    return folder


def opened(cache: Path, **settings: Any) -> AudioTextDataModule:
    data = mixture(cache, **settings)
    data.prepare_data()
    data.setup("fit")
    return data


def test_an_edit_of_soundscapes_is_the_triplet_and_its_instruction_said_in_several_ways():
    source = SoundscapesEdits(40, 0, **SHORT).source("train", 16_000, 2)
    soundscapes = Soundscapes(**SHORT)
    for index in (0, 5, 11):
        clip, edit = source[index], soundscapes.edit("train", index)
        assert np.array_equal(clip.waveform, np.stack([edit.target.audio] * 2))
        assert np.array_equal(clip.source, np.stack([edit.source.audio] * 2))
        assert clip.captions[0] == edit.instruction
        assert clip.captions[4] == edit.target.captions[0]
        assert len(clip.captions) == 5
    texts = [source[index].captions[:4] for index in range(20)]
    assert np.mean([len(set(said)) for said in texts]) > 3
    assert all(read_instruction(text) for said in texts for text in said)


def test_all_ways_to_say_an_instruction_mean_the_same():
    soundscapes = Soundscapes(**SHORT)
    for index in range(30):
        edit = soundscapes.edit("train", index)
        names = [{event.name for event in side.scene.events} for side in (edit.source, edit.target)]
        changed = names[0] ^ names[1]
        for text in soundscapes.instructions("train", index, 4):
            named = {mention.name for mention in parse(text).mentions}
            assert changed <= named <= names[0] | names[1], text


def test_pairs_held_out_from_training_are_in_no_edit_to_train_on():
    soundscapes = Soundscapes(**SHORT)
    for split, never in (("train", True), ("validation", True), ("test", False)):
        edits = [soundscapes.edit(split, index) for index in range(60)]
        assert never is not any(side.scene.held_out for edit in edits for side in (edit.source, edit.target))


def test_cached_edits_are_what_the_codec_makes_of_them(cache: Path):
    data = opened(cache)
    store, source = data._served["train"]["edits"].store, data.sources()["train"]["edits"]
    for index in (0, 7):
        clip = source[index]
        for waveform, kept in ((clip.waveform, store.latents_of), (clip.source, store.sources_of)):
            expected = data.codec.encode(torch.from_numpy(waveform)[None])[0]
            found = kept(np.array([index]), np.zeros(1)).values[0]
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_instructions_teach_generation_alone_and_come_with_their_source(cache: Path):
    data = opened(cache)
    batches = PlannedBatches(data._stores["train"], data.plan("train"), data.tokenizer, captions=2)
    for step in range(4):
        batch, rows = batches[step], data.plan("train").step(step)
        edits = rows.clips >= 12
        assert not (edits & ~rows.generation).any()
        assert batch.sources.lengths.tolist() == [
            length if edit else 0
            for length, edit, made in zip(batch.clean.audio.lengths.tolist(), edits, rows.generation, strict=True)
            if made
        ]
    drawn = sum(int((data.plan("train").step(step).clips >= 12).sum()) for step in range(500))
    assert abs(drawn - 2 / 3 * 500 * 6) <= 3  # the weights, kept to a thousandth


def test_source_and_target_of_a_batch_are_cropped_alike(cache: Path):
    whole, cropped = opened(cache), opened(cache, longest_seconds=0.5)
    (frames,) = {int(batch.clean.audio.lengths.max()) for batch in [cropped.train_dataloader().dataset[0]]}
    batch, rows = cropped.train_dataloader().dataset[0], cropped.plan("train").step(0)
    store = whole._stores["train"]
    for row, clip in enumerate(rows.clips[rows.generation]):
        if clip < 12:
            continue
        kept = [side(np.array([clip]), np.zeros(1)).values[0] for side in (store.latents_of, store.sources_of)]
        made = batch.clean.audio.values[np.flatnonzero(rows.generation)[row], :frames]
        (start,) = (s for s in range(len(kept[0]) - frames + 1) if torch.equal(kept[0][s : s + frames], made))
        assert torch.equal(batch.sources.values[row, :frames], kept[1][start : start + frames])


@pytest.mark.parametrize("settings", [{}, {"buckets": QuantileBuckets(2)}])
def test_ranks_share_out_the_same_edits(cache: Path, settings: dict[str, Any]):
    data = opened(cache, **settings)
    where = data._stores["train"], data.plan("train"), data.tokenizer
    for step in range(3):
        whole = PlannedBatches(*where, captions=2)[step].sources
        parts = [PlannedBatches(*where, rank, 2, captions=2)[step].sources for rank in range(2)]
        assert sum(len(part) for part in parts) == len(whole)
        joined = parts[0].followed_by(parts[1])
        assert torch.equal(joined.lengths, whole.lengths)
        assert torch.equal(joined.values, whole.values[:, : joined.values.shape[1]])


def test_the_mean_of_two_ranks_losses_is_the_loss_of_one_process(cache: Path, monkeypatch):
    data = opened(cache)
    torch.manual_seed(0)
    backbone = DualStreamTransformer(4, 256, 32, width=16, depth=1, heads=2, source=SourceLatents())
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    square = Conditional(Uniform(), Uniform(), 0.0, 0.0, 0.0)
    module = UATModule(backbone, RectifiedFlow(), MaskedAbsorbing(), square)
    level = {"among": lambda self, rows, occasion: torch.full((len(rows),), 0.6)}
    monkeypatch.setattr(Uniform, "among", level["among"])
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.full(shape, 0.3))
    where = data._stores["train"], data.plan("train"), data.tokenizer
    whole = module.losses(PlannedBatches(*where)[0])["audio"]
    ranks = [
        module.losses(PlannedBatches(*where, rank, 2)[0], Occasion(rank=rank, ranks=2))["audio"] for rank in (0, 1)
    ]
    torch.testing.assert_close(sum(ranks) / 2, whole)
    sum(ranks).backward()
    assert backbone.source.entrance.weight.grad.abs().sum() > 0


def test_validation_scores_edits_in_one_direction(cache: Path):
    data = opened(cache)
    split = WholeSplit(data._stores["validation"], data.plan("validation"), data.tokenizer)
    batches = [split[step] for step in range(len(split))]
    assert sum(batch.generation_rows for batch in batches) == 8
    assert sum(len(batch) - batch.generation_rows for batch in batches) == 5
    assert sum(int((batch.sources.lengths > 0).sum()) for batch in batches) == 3


def test_a_mixture_without_edits_has_no_sources(cache: Path, tmp_path: Path):
    corpora = {"clips": Share(SoundscapesCorpus(4, 0, 0, **SHORT))}
    data = AudioTextDataModule(MelCodec(**CODEC), BytePairTokenizer(32, 256), corpora, cache=str(tmp_path), workers=0)
    data.prepare_data()
    data.setup("fit")
    assert data.train_dataloader().dataset[0].sources is None


def test_edits_before_a_backbone_without_a_source_are_refused_before_training(cache: Path):
    data = mixture(cache)
    plain = DualStreamTransformer(4, 256, 32, width=16, depth=1, heads=2)
    data.trainer = SimpleNamespace(lightning_module=SimpleNamespace(backbone=plain))
    with pytest.raises(ValueError, match="edits hold edits, and the backbone takes no source: give it source"):
        data.setup("fit")


def test_only_a_backbone_is_asked_for_a_source():
    check_edits(None, ["edits"])
    check_edits(DualStreamTransformer(4, 256, 32, width=16, depth=1, heads=2), [])


def test_shards_of_edits_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="shards hold no sources of edits: leave edits out"):
        ClipsForShards(mixture(tmp_path), str(tmp_path / "shards"))


def test_a_source_of_another_length_is_refused():
    with pytest.raises(ValueError, match="both must be alike"):
        CaptionedAudio("x", np.zeros((1, 5), np.float32), ("add rain",), np.zeros((1, 4), np.float32))


@pytest.mark.parametrize("wrong", [{"instructions": 0}, {"targets": 6}, {"targets": -1}])
def test_edits_without_words_are_refused(wrong: dict[str, int]):
    with pytest.raises(ValueError, match="each edit needs at least 1 instruction and 0 to 5 captions"):
        SoundscapesEdits(**wrong)


def test_the_levels_of_a_mixture_draw_as_usual(cache: Path):
    """The drop of sources is drawn for batches of this mixture and for no other."""
    square = Conditional(LogitNormal(), Uniform(), drop_source=1.0)
    drawn = square.draw(torch.tensor([True, False]), Occasion(edits=torch.tensor([True, False])))
    assert drawn.source.tolist() == [False, False]
    assert drawn.t.text[0] == 1
