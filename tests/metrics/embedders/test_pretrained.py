from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from small_clap import RATE, save_clap
from uat_lightning.metrics.embedders.clap import ClapEmbedder
from uat_lightning.metrics.embedders.spectrogram_transformer import SpectrogramTransformer
from uat_lightning.metrics.embedders.windows import windows


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> ClapEmbedder:
    return ClapEmbedder(save_clap(tmp_path_factory.mktemp("clap"), fused=False))


def test_windows_cover_a_clip_evenly():
    waveform = torch.arange(25)
    assert [w.tolist() for w in windows(waveform[:10], 10)] == [list(range(10))]
    found = windows(waveform, 10)
    assert [(len(w), int(w[0])) for w in found] == [(10, 0), (10, 8), (10, 15)]
    assert len(windows(torch.arange(20), 10, overlap=0.0)) == 2


def test_clap_gives_a_unit_vector_for_each_window_and_each_text(clap):
    vectors = clap.embed([noise(RATE), noise(2500, 1), noise(3 * RATE, 2)])
    assert [tuple(vector.shape) for vector in vectors] == [(1, 6), (1, 6), (4, 6)]
    texts = clap.embed_texts(["a bell rings", "a bell", "a " * 50])
    for rows in (*vectors, texts):
        torch.testing.assert_close(rows.norm(dim=-1), torch.ones(len(rows)))
    assert clap.sample_rate == RATE
    assert clap.embed([]) == []


def test_clap_hears_what_the_library_hears_and_nothing_is_drawn(clap):
    waveform = noise(2500)
    features = clap._extractor([waveform.numpy()], sampling_rate=RATE, return_tensors="pt")
    expected = clap.model.get_audio_features(features["input_features"], is_longer=torch.tensor([[False]]))
    torch.testing.assert_close(clap.embed([waveform])[0], getattr(expected, "pooler_output", expected))
    long = noise(3 * RATE)
    torch.testing.assert_close(clap.embed([long])[0], clap.embed([noise(100), long])[1])


def test_padding_of_texts_and_neighbours_change_nothing(clap):
    torch.testing.assert_close(clap.embed_texts(["a bell", "a bell rings a bell"])[0], clap.embed_texts(["a bell"])[0])


def test_clap_has_layers_for_lpaps(clap):
    layers = clap.layers([noise(RATE), noise(RATE, 1)])
    assert [layer.shape[0] for layer in layers] == [2, 2]
    assert all(layer.ndim == 3 for layer in layers)
    with pytest.raises(ValueError, match="at most 1 s"):
        clap.layers([noise(RATE + 1)])


def test_a_fused_clap_says_the_same_of_a_clip_whoever_stands_beside_it(tmp_path):
    fused = ClapEmbedder(save_clap(tmp_path, fused=True))
    alone, beside = fused.embed([noise(2500)])[0], fused.embed([noise(RATE, 1), noise(2500)])[1]
    torch.testing.assert_close(alone, beside)


def test_identity_follows_the_weights(clap, tmp_path):
    other = ClapEmbedder(save_clap(tmp_path, fused=False))
    assert other.identity == clap.identity
    assert len(clap.identity.split()[-1]) == 64
    next(other.parameters()).data.add_(1e-3)
    assert other.identity != clap.identity


@pytest.fixture
def transformer(tmp_path: Path) -> SpectrogramTransformer:
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    config = ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_length=48,
        num_mel_bins=16, patch_size=8, frequency_stride=8, time_stride=8, id2label={0: "bell", 1: "rain", 2: "dog"},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ASTForAudioClassification(config).save_pretrained(tmp_path)
    ASTFeatureExtractor(num_mel_bins=16, max_length=48).save_pretrained(tmp_path)
    return SpectrogramTransformer(str(tmp_path))


def test_the_spectrogram_transformer_tags_and_embeds(transformer):
    waveforms = [noise(4000), noise(20), noise(20_000)]
    logits, vectors = transformer.logits(waveforms), transformer.embed(waveforms)
    assert logits.shape == (3, 3)
    assert transformer.classes == ("bell", "rain", "dog")
    assert [tuple(vector.shape) for vector in vectors] == [(1, 16), (1, 16), (3, 16)]
    alone = torch.cat([transformer.logits([waveform]) for waveform in waveforms])
    torch.testing.assert_close(logits, alone)
    parts = [transformer.logits([window]) for window in windows(waveforms[2], 48 * 160)]
    torch.testing.assert_close(logits[2:], torch.cat(parts).mean(0, keepdim=True))
    assert transformer.logits([]).shape == (0, 3)


def test_the_spectrogram_transformer_hears_what_the_library_hears(transformer):
    waveform = noise(4000)
    features = transformer._extractor([waveform.numpy()], sampling_rate=16_000, return_tensors="pt")
    torch.testing.assert_close(transformer.logits([waveform]), transformer.model(**features).logits)


@pytest.mark.parametrize("made", [ClapEmbedder, SpectrogramTransformer])
def test_a_missing_model_is_one_line(made, tmp_path):
    with pytest.raises(ValueError, match="is missing or holds no") as complaint:
        made(str(tmp_path / "nowhere"))
    assert "\n" not in str(complaint.value)


def test_arrays_of_either_precision_are_heard_alike(clap):
    waveform = noise(2500)
    torch.testing.assert_close(clap.embed([waveform.double()])[0], clap.embed([waveform])[0])
    assert np.isfinite(clap.embed([torch.zeros(100)])[0].numpy()).all()
