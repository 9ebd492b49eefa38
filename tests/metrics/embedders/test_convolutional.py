from __future__ import annotations

import pytest
import torch

from uat_lightning.metrics.embedders import AudioTagger, TextAudioEmbedder
from uat_lightning.metrics.embedders.augmentation import Augmentation, blurred
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger, best_threshold
from uat_lightning.metrics.embedders.folder import load_listener, save_listener

RATE = 16_000


@pytest.fixture
def tagger() -> ConvolutionalTagger:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ConvolutionalTagger(classes=("low", "high"), seconds=0.5, width=4, mel_bands=16, hidden=16).eval()


def tones(rows: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return clips that hold a low tone, a high tone, both or neither in noise, and which."""
    source = torch.Generator().manual_seed(1)
    labels = torch.rand(rows, 2, generator=source) < 0.5
    time = torch.arange(RATE // 2) / RATE
    both = torch.stack([torch.sin(2 * torch.pi * frequency * time) for frequency in (300.0, 3000.0)])
    noise = 0.01 * torch.randn(rows, len(time), generator=source)
    return list(noise + 0.1 * labels.float() @ both), labels.float()


def test_shapes(tagger):
    amplitudes = tagger.amplitudes([torch.zeros(RATE), torch.zeros(100)])
    assert amplitudes.shape == (2, 16, RATE // 2 // 512 + 1)
    assert tagger(ConvolutionalTagger.features(amplitudes)).shape == (2, 2)


def test_padding_with_silence_and_neighbours_change_nothing(tagger, monkeypatch):
    monkeypatch.setattr("uat_lightning.metrics.embedders.convolutional.BATCH", 4)
    waveforms, _ = tones(6)
    short = waveforms[0][:3000]
    padded = torch.nn.functional.pad(short, (0, 1000))
    features = [ConvolutionalTagger.features(tagger.amplitudes([waveform])) for waveform in (short, padded)]
    assert torch.equal(*features)
    assert tagger.tag(waveforms) == [heard for w in waveforms for heard in tagger.tag([w])]


def test_what_is_scored_is_the_embedding(tagger):
    waveforms, _ = tones(3)
    vectors = tagger.embed(waveforms)
    assert [vector.shape for vector in vectors] == [(1, tagger.embedding_width)] * 3
    torch.testing.assert_close(tagger.score(torch.cat(vectors)), tagger.logits(waveforms))
    assert tagger.logits([]).shape == (0, 2)


def test_a_folder_holds_all_of_it(tagger, tmp_path):
    waveforms, _ = tones(3)
    tagger.threshold.fill_(0.3)
    save_listener(tagger, tmp_path / "tagger")
    again = load_listener(tmp_path / "tagger", AudioTagger)
    assert torch.equal(again.logits(waveforms), tagger.logits(waveforms))
    assert (again.classes, again.sample_rate) == (("low", "high"), RATE)
    assert again.identity == tagger.identity
    assert {file.name for file in tmp_path.iterdir()} == {"tagger"}
    again.threshold.fill_(0.4)
    assert again.identity != tagger.identity


def test_a_wrong_folder_is_refused_in_one_line(tagger, tmp_path):
    with pytest.raises(ValueError, match="holds no AudioTagger"):
        load_listener(tmp_path, AudioTagger)
    save_listener(tagger, tmp_path / "tagger")
    with pytest.raises(ValueError, match="choose a new folder"):
        save_listener(tagger, tmp_path / "tagger")
    with pytest.raises(ValueError, match="not a TextAudioEmbedder"):
        load_listener(tmp_path / "tagger", TextAudioEmbedder)
    (tmp_path / "tagger" / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="holds no AudioTagger"):
        load_listener(tmp_path / "tagger", AudioTagger)


def test_it_learns_which_tones_sound(tagger):
    waveforms, labels = tones(96)
    features = ConvolutionalTagger.features(tagger.amplitudes(waveforms))
    optimizer = torch.optim.AdamW(tagger.parameters(), 1e-2)
    tagger.train()
    for _ in range(30):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(tagger(features[:64]), labels[:64])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    heard = tagger.eval().tag(waveforms[64:])
    assert heard == [frozenset(row.nonzero()[:, 0].tolist()) for row in labels[64:]]


def test_the_threshold_decides(tagger):
    waveforms, _ = tones(3)
    tagger.threshold.fill_(1e6)
    assert tagger.tag(waveforms) == [frozenset()] * 3
    tagger.threshold.fill_(-1e6)
    assert tagger.tag(waveforms) == [frozenset({0, 1})] * 3


def test_the_best_threshold_is_that_of_a_search_by_hand():
    source = torch.Generator().manual_seed(0)
    labels = torch.rand(200, 5, generator=source) < 0.3
    logits = torch.randn(200, 5, generator=source) + 2 * labels

    def f1(threshold: float) -> float:
        said = logits > threshold
        return float(2 * (said & labels).sum() / (said.sum() + labels.sum()))

    assert f1(best_threshold(logits, labels)) == max(f1(float(value) - 1e-4) for value in logits.flatten())


def test_the_best_threshold_lies_between_classes_that_are_apart():
    logits = torch.tensor([[3.0, -1.0], [2.0, -2.0]])
    assert best_threshold(logits, logits > 0) == pytest.approx(0.5)
    assert best_threshold(logits, torch.ones(2, 2, dtype=torch.bool)) < -2


def test_a_mix_adds_powers_and_joins_events():
    amplitudes, labels = torch.tensor([3.0, 4.0]).reshape(2, 1, 1), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    features, either = Augmentation(gain=0, mixed=1, softened=0, noise=0)(amplitudes, labels)
    assert torch.allclose(features, ConvolutionalTagger.features(torch.full((2, 1, 1), 5.0)))
    assert torch.equal(either, torch.ones(2, 2))


def test_without_any_augmentation_nothing_changes():
    amplitudes, labels = torch.rand(4, 8, 9), torch.eye(4)
    features, same = Augmentation(gain=0, mixed=0, softened=0, noise=0)(amplitudes, labels)
    assert torch.equal(features, ConvolutionalTagger.features(amplitudes))
    assert torch.equal(same, labels)


def test_a_blur_keeps_level_surfaces_and_spreads_a_peak_by_its_width():
    level, peak = torch.full((1, 3, 21), 2.0), torch.zeros(2, 1, 21)
    peak[..., 10] = 1
    assert torch.allclose(blurred(level, torch.tensor([2.0])), level)
    narrow, wide = blurred(peak, torch.tensor([1e-2, 1.0]))
    assert torch.allclose(narrow, peak[0], atol=1e-6)
    places = torch.arange(21.0) - 10
    assert (wide[0] * places.square()).sum().item() == pytest.approx(1.0, abs=0.01)
    assert wide.sum().item() == pytest.approx(1.0)
