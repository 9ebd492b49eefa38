from __future__ import annotations

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import (
    Backbone,
    Coupling,
    DualStreamTransformer,
    Isolated,
    Joint,
    Prediction,
    TextPrediction,
)
from uat_lightning.diffusion import Conditional, LogitNormal, MaskedAbsorbing, RectifiedFlow, Uniform
from uat_lightning.module import UATModule
from uat_lightning.types import Batch, Pair, Sequences

CANVAS, WIDTH, VOCABULARY, MASK = 6, 4, 20, 2
GENERATION = {"audio": [0.3, 0.9, 1.0, 0.6], "text": [0.0, 0.0, 0.0, 1.0]}
CAPTIONING = {"audio": [0.0, 0.0, 0.0, 1.0], "text": [0.3, 0.9, 1.0, 0.6]}


def network(coupling: Coupling) -> DualStreamTransformer:
    torch.manual_seed(0)
    backbone = DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, width=32, depth=3, heads=2, coupling=coupling)
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return backbone.eval()


def some(rows: int = 4) -> Pair[Sequences]:
    audio = Sequences(torch.randn(rows, 7, WIDTH), torch.tensor([7, 3, 5, 6])[:rows])
    text = Sequences(torch.randint(3, VOCABULARY, (rows, CANVAS)), torch.tensor([6, 2, 4, 5])[:rows])
    return Pair(audio, text)


def times(audio: list[float], text: list[float]) -> Pair[Tensor]:
    return Pair(torch.tensor(audio), torch.tensor(text))


def assert_equal(one: Tensor, other: Tensor, mask: Tensor) -> None:
    scale = other[mask].abs().amax()
    assert float((one[mask] - other[mask]).abs().amax() / scale) <= 1e-6


@torch.no_grad()
def test_a_clean_condition_does_not_read_what_it_conditions():
    backbone, clean = network(Isolated()), some(3)
    t = times(GENERATION["audio"][:3], GENERATION["text"][:3])
    louder = Sequences(clean.audio.values + 1, clean.audio.lengths)
    assert torch.equal(backbone(clean, t).text.logits(), backbone(Pair(louder, clean.text), t).text.logits())
    t = times(CAPTIONING["audio"][:3], CAPTIONING["text"][:3])
    other = Sequences(clean.text.values.flip(1), clean.text.lengths)
    assert torch.equal(backbone(clean, t).audio, backbone(Pair(clean.audio, other), t).audio)


@torch.no_grad()
@pytest.mark.parametrize("places", [GENERATION, CAPTIONING])
def test_the_noisy_side_reads_its_clean_condition(places):
    backbone, clean = network(Isolated()), some(2)
    t = times(places["audio"][:2], places["text"][:2])
    other = some(2)
    if places is GENERATION:
        moved = backbone(Pair(clean.audio, other.text), t).audio - backbone(clean, t).audio
    else:
        moved = backbone(Pair(other.audio, clean.text), t).text.logits() - backbone(clean, t).text.logits()
    assert moved.abs().amax() > 1e-2


@torch.no_grad()
def test_the_null_condition_says_nothing():
    backbone, clean, other = network(Isolated()), some(), some()
    t = times([0.4] * 4, [1.0] * 4)
    assert torch.equal(backbone(clean, t).audio, backbone(Pair(clean.audio, other.text), t).audio)
    t = times([1.0] * 4, [0.4] * 4)
    assert torch.equal(backbone(clean, t).text.logits(), backbone(Pair(other.audio, clean.text), t).text.logits())


@torch.no_grad()
def test_two_noisy_streams_read_each_other():
    backbone, noisy, other, t = network(Isolated()), some(), some(), times([0.4] * 4, [0.6] * 4)
    before = backbone(noisy, t)
    assert (backbone(Pair(noisy.audio, other.text), t).audio - before.audio).abs().amax() > 1e-2
    assert (backbone(Pair(other.audio, noisy.text), t).text.logits() - before.text.logits()).abs().amax() > 1e-2


@torch.no_grad()
@pytest.mark.parametrize("coupling", [Isolated(), Joint()])
def test_a_remembered_text_gives_the_velocity_of_the_whole_network(coupling):
    backbone, noisy, t = network(coupling), some(), times(**GENERATION)
    velocity = backbone.given_text(noisy.text, t.text)
    for shift in (0.0, 0.5):
        audio = Sequences(noisy.audio.values + shift, noisy.audio.lengths)
        whole = backbone(Pair(audio, noisy.text), Pair(t.audio, t.text))
        assert_equal(velocity(audio, t.audio), whole.audio, audio.mask)


@torch.no_grad()
@pytest.mark.parametrize("coupling", [Isolated(), Joint()])
def test_remembered_audio_gives_the_logits_of_the_whole_network(coupling):
    backbone, noisy, t = network(coupling), some(), times(**CAPTIONING)
    logits = backbone.given_audio(noisy.audio, t.audio)
    for ids in (noisy.text.values, noisy.text.values.flip(1)):
        text = Sequences(ids, noisy.text.lengths)
        whole = backbone(Pair(noisy.audio, text), t)
        assert_equal(logits(text, t.text).logits(), whole.text.logits(), text.mask)


@torch.no_grad()
@pytest.mark.parametrize("coupling", [Isolated(), Joint()])
def test_several_captions_of_one_clip_are_as_one_by_one(coupling):
    backbone, noisy, t = network(coupling), some(), times(**CAPTIONING)
    texts = [noisy.text, Sequences(noisy.text.values.flip(1), noisy.text.lengths)]
    both = backbone.given_audio(noisy.audio, t.audio, 2)(texts[0].followed_by(texts[1]), t.text.repeat(2))
    for found, text in zip(both.logits().chunk(2), texts, strict=True):
        whole = backbone(Pair(noisy.audio, text), t).text.logits()
        assert_equal(found, whole, text.mask)


@torch.no_grad()
def test_what_stays_is_computed_once(monkeypatch):
    backbone, noisy, t = network(Isolated()), some(), times(**GENERATION)
    velocity = backbone.given_text(noisy.text, t.text)
    monkeypatch.setattr(DualStreamTransformer, "_embed", lambda *_: pytest.fail("the text was read again"))
    monkeypatch.setattr(DualStreamTransformer, "forward", lambda *_: pytest.fail("the whole network was run"))
    velocity(noisy.audio, t.audio)


def test_any_backbone_offers_both_ways():
    class Sum(Backbone):
        def forward(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> Prediction:
            words = TextPrediction.of(noisy.text.values * t.text[:, None])
            return Prediction(noisy.audio.values * t.audio[:, None, None], words)

    noisy, t = some(), times(**GENERATION)
    assert torch.equal(Sum().given_text(noisy.text, t.text)(noisy.audio, t.audio), Sum()(noisy, t).audio)
    assert torch.equal(
        Sum().given_audio(noisy.audio, t.audio)(noisy.text, t.text).logits(), Sum()(noisy, t).text.logits()
    )


def test_training_in_isolation_reaches_every_parameter():
    clean = some()
    square = Conditional(LogitNormal(), Uniform(), 0.0, 0.0)
    module = UATModule(network(Isolated()), RectifiedFlow(), MaskedAbsorbing(), square)
    module.losses(Batch(clean, torch.tensor([True, False, True, False])))["loss"].backward()
    assert [name for name, weight in module.named_parameters() if weight.grad is None or not weight.grad.any()] == []
