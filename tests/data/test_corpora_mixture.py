from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from toy_training import ToneCorpus, ToneData, Tones, toy_module, toy_trainer
from uat_lightning.cli import main
from uat_lightning.data.audio_text import Share


def mixture(folder: Path, **settings) -> ToneData:
    corpora = {"few": Share(ToneCorpus(6, 0), 3.0, 1.0), "many": Share(ToneCorpus(12, 3), 1.0, 3.0)}
    return ToneData(folder, corpora=corpora, **{"batch_size": 8, **settings})


def ready(data: ToneData) -> ToneData:
    data.prepare_data()
    data.setup("fit")
    return data


def test_corpora_are_drawn_by_their_weights_in_either_direction(tmp_path: Path):
    data = ready(mixture(tmp_path))
    plan = data.plan("train")
    assert (len(data._stores["train"]), len(data._stores["validation"])) == (18, 3)
    rows = [plan.step(step) for step in range(250)]
    for side, share in ((True, 0.75), (False, 0.25)):
        drawn = np.concatenate([batch.clips[batch.generation == side] for batch in rows])
        assert np.mean(drawn < 6) == share


def test_another_corpus_leaves_the_others_encoded_where_codec_and_tokenizer_are_given(tmp_path: Path, monkeypatch):
    first = ready(mixture(tmp_path))
    read: list[int] = []
    read_one = Tones.__getitem__
    monkeypatch.setattr(Tones, "__getitem__", lambda self, index: (read.append(self.count), read_one(self, index))[1])
    codec, tokenizer = first.codec, first.tokenizer

    def given(corpora: dict[str, Share]) -> ToneData:
        data = ToneData(tmp_path, corpora=corpora)
        data.codec, data.tokenizer = codec, tokenizer
        return ready(data)

    given(first.corpora)
    read.clear()
    more = given({**first.corpora, "other": Share(ToneCorpus(4, 2))})
    assert sorted(read) == [2] * 2 + [4] * 4
    assert len(more._stores["train"]) == 22
    read.clear()
    given({"many": Share(ToneCorpus(12, 3), 5.0, 0.5)})
    assert read == []


def test_codec_and_tokenizer_are_fitted_to_the_mixture_in_proportion(tmp_path: Path, monkeypatch):
    read: list[int] = []
    read_one = Tones.__getitem__
    monkeypatch.setattr(Tones, "__getitem__", lambda self, index: (read.append(self.count), read_one(self, index))[1])
    data = mixture(tmp_path, fit_clips=4)
    monkeypatch.setattr(data, "_encode", lambda name, corpus: None)
    data.prepare_data()
    assert sorted(read) == [6, 6, 12, 12]
    read.clear()
    data = mixture(tmp_path, fit_clips=4, generation_share=1.0)
    monkeypatch.setattr(data, "_encode", lambda name, corpus: None)
    data.prepare_data()
    assert sorted(read) == [6, 6, 6, 12]


def test_the_first_corpus_with_a_split_is_shown(tmp_path: Path):
    data = mixture(tmp_path)
    assert data.split_names == ("train", "validation")
    assert (len(data.source("train")), len(data.source("validation"))) == (6, 3)
    with pytest.raises(ValueError, match="no corpus has test clips: there are train, validation"):
        data.source("test")


def test_weights_of_corpora_are_part_of_the_plan(tmp_path: Path):
    state = ready(mixture(tmp_path)).state_dict()
    corpora = {"few": Share(ToneCorpus(6, 0), 3.0, 2.0), "many": Share(ToneCorpus(12, 3), 1.0, 3.0)}
    other = ready(ToneData(tmp_path, batch_size=8, corpora=corpora, fit_clips=2000))
    with pytest.raises(ValueError, match=r"pools\.few\.captioning 1\.0 -> 2\.0"):
        other.load_state_dict(state)


def test_batches_are_of_the_clips_that_the_plan_names(tmp_path: Path):
    data = ready(mixture(tmp_path))
    source = {clip: Tones(18)[clip if clip < 6 else clip - 6].captions for clip in range(18)}
    for step, batch in enumerate(islice(data.train_dataloader(), 3)):
        for clip, ids in zip(data.plan("train").step(step).clips.tolist(), batch.clean.text.values, strict=True):
            assert ids.tolist() in data.tokenizer.encode(source[clip]).values.tolist()


def test_data_without_validation_clips_trains(tmp_path: Path):
    data = ToneData(tmp_path, corpora={"few": Share(ToneCorpus(6, 0))})
    trainer = toy_trainer(tmp_path, 4)
    trainer.fit(toy_module(), datamodule=data)
    assert trainer.global_step == 4


@pytest.mark.parametrize("corpora", [{}, {"few": Share(ToneCorpus(0, 3))}, {"few": Share(ToneCorpus(3, 0), 0.0, 0.0)}])
def test_nothing_to_train_on_is_said_before_anything_is_read(tmp_path: Path, corpora: dict[str, Share]):
    data = ToneData(tmp_path)
    data.corpora = corpora
    with pytest.raises(ValueError, match="nothing to train on"):
        data.prepare_data()


def test_a_weight_below_nothing_is_refused():
    with pytest.raises(ValueError, match="weights of a corpus are 0 or more, got -1"):
        Share(ToneCorpus(), -1.0)


def test_lanes_that_do_not_divide_the_batch_are_refused_before_anything_is_read(tmp_path: Path):
    with pytest.raises(ValueError, match="3 lanes do not divide the 4 generation and 4 captioning rows"):
        mixture(tmp_path, lanes=3)


MIXTURE = """
trainer: {{max_steps: 2, accelerator: cpu, devices: 1, logger: false, default_root_dir: {folder}, callbacks: [],
  enable_progress_bar: false, enable_model_summary: false, enable_checkpointing: false, num_sanity_val_steps: 0}}
model:
  class_path: uat_lightning.module.UATModule
  init_args:
    backbone:
      class_path: uat_lightning.backbone.DualStreamTransformer
      init_args: {{latent_width: 4, vocabulary_size: 256, canvas: 32, width: 16, depth: 1, heads: 2}}
    audio: {{class_path: uat_lightning.diffusion.RectifiedFlow}}
    text: {{class_path: uat_lightning.diffusion.MaskedAbsorbing}}
    square:
      class_path: uat_lightning.diffusion.Conditional
      init_args:
        audio: {{class_path: uat_lightning.diffusion.Uniform}}
        text: {{class_path: uat_lightning.diffusion.Uniform}}
data:
  class_path: uat_lightning.data.audio_text.AudioTextDataModule
  init_args:
    codec:
      class_path: uat_lightning.codec.MelCodec
      init_args: {{latent_width: 4, mel_bands: 16, window: 512, mel_hop: 256, patch: 4, iterations: 4}}
    tokenizer: {{class_path: uat_lightning.text.BytePairTokenizer, init_args: {{canvas: 32, vocabulary_size: 256}}}}
    cache: {folder}/cache
    workers: 0
    batch_size: 4
    buckets: {{class_path: uat_lightning.data.buckets.QuantileBuckets, init_args: {{count: 2}}}}
    corpora:
      short:
        corpus:
          class_path: uat_lightning.data.soundscapes.corpus.SoundscapesCorpus
          init_args: {{train_clips: 6, validation_clips: 2, test_clips: 0, shortest: 1.0, longest: 1.2}}
        generation: 50
        captioning: 15
      others:
        corpus:
          class_path: uat_lightning.data.soundscapes.corpus.SoundscapesCorpus
          init_args: {{train_clips: 4, validation_clips: 0, test_clips: 0, shortest: 1.5, longest: 2.0, seed: 1}}
        captioning: 60
"""


def test_a_mixture_is_named_in_yaml_and_weighed_on_the_command_line(tmp_path: Path, capsys):
    (tmp_path / "mixture.yaml").write_text(MIXTURE.format(folder=tmp_path))
    command = ["fit", "--config", str(tmp_path / "mixture.yaml")]
    main(command)
    (folder,) = (tmp_path / "cache").iterdir()
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 2
    with pytest.raises(SystemExit) as ended:
        main([*command, "--data.corpora.short.generation", "-1"])
    assert ended.value.code == 2
    assert "weights of a corpus are 0 or more" in capsys.readouterr().err
