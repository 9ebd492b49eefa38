"""Every task that reads or writes captions, with a model that writes them from left to right."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from conftest import BACKBONE
from uat_lightning.backbone import Backwards, DualStreamTransformer, Isolated
from uat_lightning.cli import main
from uat_lightning.codec import MelCodec
from uat_lightning.diffusion import NextToken, RectifiedFlow
from uat_lightning.pipeline import UATPipeline
from uat_lightning.sampling import ConfidenceOrder, Guidance, LeftToRight
from uat_lightning.tasks import Caption, ChosenCaption, Imagine, Infill, MostLikely, Parts, PointwiseInformation, Score
from uat_lightning.text import BytePairTokenizer


@pytest.fixture
def parts(tiny_codec: MelCodec, tiny_tokenizer: BytePairTokenizer) -> Parts:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = DualStreamTransformer(**BACKBONE, coupling=Isolated(), sight=Backwards())
        for weight in backbone.parameters():
            torch.nn.init.normal_(weight, std=0.1)
    return Parts(backbone.eval(), tiny_codec, tiny_tokenizer, RectifiedFlow(), NextToken())


@pytest.fixture
def waveforms(clips: list) -> list[Tensor]:
    return [
        torch.from_numpy(clip.audio)[None, :samples]
        for clip, samples in zip(clips[:3], (16_000, 9_000, 12_000), strict=True)
    ]


def test_captions_are_written_and_one_by_one_are_the_same(parts: Parts, waveforms: list[Tensor]):
    for task in (Caption(), Caption(LeftToRight(1.0)), Caption(guidance=Guidance(1.0)), ChosenCaption(candidates=2)):
        together = task.run(parts, waveforms, seed=3)
        alone = [task.run(parts, [waveform], 3, row)[0] for row, waveform in enumerate(waveforms)]
        assert together == alone
    assert len(set(Caption(LeftToRight(1.0)).run(parts, waveforms))) == 3


def test_a_saved_model_writes_the_same(parts: Parts, waveforms: list[Tensor], tmp_path: Path):
    UATPipeline(parts).save_pretrained(tmp_path / "model")
    again = UATPipeline.from_pretrained(tmp_path / "model")
    assert isinstance(again.parts.text, NextToken)
    assert isinstance(again.parts.backbone.sight, Backwards)
    assert again.caption(waveforms) == UATPipeline(parts).caption(waveforms)


def test_its_scores_are_exact(parts: Parts, waveforms: list[Tensor]):
    captions = ["a bell rings", "rain falls", "a dog barks twice"]
    looks = [Score(strata).run(parts, waveforms, captions, seed=seed) for strata, seed in ((1, 0), (4, 9))]
    torch.testing.assert_close(looks[0], looks[1])
    single = Score().run(parts, waveforms[1:2], captions[1:2])
    torch.testing.assert_close(single, looks[0][1:2], rtol=1e-5, atol=1e-5)
    audio, text = parts.listen(waveforms), parts.read(captions)
    seen = NextToken().corrupt(text, torch.ones(3))
    with torch.no_grad():
        predicted = parts.backbone.given_audio(audio, torch.zeros(3))(seen.noisy, torch.ones(3))
        nats = NextToken().loss(predicted, seen) * text.lengths
    torch.testing.assert_close(looks[0], -nats.double(), rtol=1e-5, atol=1e-4)


def test_information_and_choice_by_likelihood_work(parts: Parts, waveforms: list[Tensor]):
    assert PointwiseInformation().matrix(parts, waveforms, ["rain falls", "a bell rings"]).isfinite().all()
    assert len(ChosenCaption(choice=MostLikely(), candidates=2).run(parts, waveforms)) == 3


def test_blanks_are_filled(parts: Parts, waveforms: list[Tensor]):
    (text,) = Infill(longest=3).run(parts, waveforms[:1], ["a ___ rings"])
    assert text.startswith("a")
    assert text.endswith("rings")


def test_it_does_not_imagine_and_takes_no_sampler_of_masked_texts(parts: Parts, waveforms: list[Tensor]):
    with pytest.raises(ValueError, match="cannot make audio and caption together"):
        Imagine(2).run(parts, [0.5])
    with pytest.raises(ValueError, match="ConfidenceOrder cannot write with it"):
        Caption(ConfidenceOrder()).run(parts, waveforms)


def test_the_doors_are_open(parts: Parts, waveforms: list[Tensor], tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    UATPipeline(parts).save_pretrained("model")
    soundfile.write("a.wav", waveforms[0][0].numpy(), 16_000)
    main(["caption", "a.wav", "--model=model"])
    written = capsys.readouterr().out.split("\t")[1]
    assert written.strip() == UATPipeline(parts).caption(waveforms[:1])[0]
    main(["caption", "a.wav", "--model=model", "--candidates=2", "--choose=information"])
    main(["score", "a.wav", "--model=model", "--text=rain falls"])
    with pytest.raises(SystemExit):
        main(["caption", "a.wav", "--model=model", "--sampler=ReMDM"])
    assert "ReMDM cannot write with it, LeftToRight can" in capsys.readouterr().err


@pytest.mark.slow
def test_it_is_evaluated_as_any_model(parts: Parts, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    UATPipeline(parts).save_pretrained("model")
    main(["evaluate", "--model=model", "--task=caption", "--clips=3", "--out=scored"])
    assert "cider_d" in (tmp_path / "scored" / "scores.json").read_text()
