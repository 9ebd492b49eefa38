"""Codecs: any length in, normalised latents out, the same alone and in a batch, the same after saving."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from uat_lightning.codec import Codec, MelCodec, OobleckCodec
from uat_lightning.configurable import rebuild
from uat_lightning.data.soundscapes import Soundscapes

OOBLECK = {
    "sample_rate": 8000,
    "latent_width": 4,
    "decoder_width": 4,
    "strides": (2, 3, 4),
    "multiples": (1, 2, 2),
}


@pytest.fixture(scope="module")
def sounds() -> Tensor:
    soundscapes = Soundscapes(shortest=1.5, longest=1.5)
    return torch.stack([torch.from_numpy(soundscapes.clip("train", index).audio) for index in range(24)])[:, None]


@pytest.fixture(scope="module")
def mel(sounds: Tensor) -> MelCodec:
    codec = MelCodec(latent_width=12)
    codec.fit(sounds[:16])
    return codec


@pytest.fixture(scope="module")
def oobleck() -> OobleckCodec:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codec = OobleckCodec(**OOBLECK)
    codec.fit(torch.randn(4, 2, 2000, generator=torch.Generator().manual_seed(1)) * 0.1)
    return codec


@pytest.fixture(params=["mel", "oobleck"])
def codec(request: Any) -> Codec:
    return request.getfixturevalue(request.param)


def noise(codec: Codec, rows: int, samples: int) -> Tensor:
    return 0.1 * torch.randn(rows, codec.channels, samples, generator=torch.Generator().manual_seed(2))


def distance(codec: MelCodec, sound: Tensor, true: Tensor) -> float:
    """Return the log-spectral distance in dB, down to -60 dB."""
    one, other = (codec.log_mel(waveform[:, 0]).clamp(min=-6.9) * 8.686 for waveform in (sound, true))
    return float((one - other).square().mean((1, 2)).sqrt().mean())


def padded(codec: Codec, waveforms: Tensor) -> Tensor:
    samples = waveforms.shape[-1]
    return torch.nn.functional.pad(waveforms, (0, codec.frames(samples) * codec.hop - samples))


@pytest.mark.parametrize("samples", [1, 2, 23, 24, 25, 1023, 1024, 1025, 5000])
def test_any_length(codec, samples):
    latents = codec.encode(noise(codec, 2, samples))
    frames = max(1, -(-samples // codec.hop))
    assert latents.shape == (2, frames, codec.latent_width) and codec.frames(samples) == frames
    sound = codec.decode(latents)
    assert sound.shape == (2, codec.channels, frames * codec.hop)
    assert latents.isfinite().all() and sound.isfinite().all()


def test_rows_are_the_same_alone_and_in_a_batch(codec):
    batch = noise(codec, 3, 2500)
    for row, latents in zip(batch, codec.encode(batch), strict=True):
        assert torch.allclose(codec.encode(row[None])[0], latents, atol=1e-4)


def test_mel_rows_are_the_same_alone_and_padded_to_the_longest(mel):
    rows = [noise(mel, 1, samples)[0] for samples in (3000, 1, 2048, 999)]
    batch = torch.nn.utils.rnn.pad_sequence([row.T for row in rows], batch_first=True).mT
    for row, latents in zip(rows, mel.encode(batch), strict=True):
        alone = mel.encode(row[None])[0]
        assert torch.allclose(latents[: len(alone)], alone, atol=1e-4)


def test_decoding_is_deterministic_and_the_same_in_any_batch(codec):
    latents = torch.randn(3, 7, codec.latent_width, generator=torch.Generator().manual_seed(3))
    state = torch.get_rng_state()
    first = codec.decode(latents)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(codec.decode(latents), first)
    for row, sound in zip(latents, first, strict=True):
        assert torch.allclose(codec.decode(row[None])[0], sound, atol=1e-4)


def test_saved_and_loaded_is_the_same(codec, tmp_path):
    codec.save(tmp_path / "codec.safetensors")
    description = json.loads(json.dumps(codec.describe()))
    again = rebuild(description, Codec)
    again.load(tmp_path / "codec.safetensors")
    sound = noise(codec, 2, 3000)
    latents = codec.encode(sound)
    assert again.describe() == description and again.fitted
    assert torch.equal(again.encode(sound), latents) and torch.equal(again.decode(latents), codec.decode(latents))


def test_other_tensors_are_refused(codec, tmp_path):
    wider = rebuild({**codec.describe(), "init_args": {**codec.describe()["init_args"], "latent_width": 5}}, Codec)
    codec.save(tmp_path / "codec.safetensors")
    with pytest.raises(RuntimeError):
        wider.load(tmp_path / "codec.safetensors")


def test_mel_latents_are_white(mel, sounds):
    latents = mel.encode(sounds[:16]).flatten(0, 1)
    assert latents.mean(0).abs().max() < 1e-3
    assert torch.allclose(torch.cov(latents.T), torch.eye(12), atol=0.01)


def test_less_whitening_keeps_proportions_and_mean_variance(sounds):
    codec = MelCodec(latent_width=12, whitening=0.0)
    codec.fit(sounds)
    variances = codec.encode(sounds).flatten(0, 1).var(0)
    assert variances.mean() == pytest.approx(1, abs=0.01) and (variances.diff() < 0).all() and variances[0] > 2


def test_mel_sounds_like_unseen_clips(mel, sounds):
    unseen = padded(mel, sounds[16:])
    heard = mel.decode(mel.encode(unseen))
    shuffled = distance(mel, unseen.roll(1, 0), unseen)
    mean = mel.decode(torch.zeros(8, mel.frames(unseen.shape[-1]), 12))
    assert distance(mel, heard, unseen) < 0.4 * min(shuffled, distance(mel, mean, unseen))


def test_mel_inversion_is_near_even_at_the_edges(mel, sounds):
    true = padded(mel, sounds[16:])[:, 0]
    log_mel = mel.log_mel(true)
    error = (mel.log_mel(mel._griffin_lim(log_mel[..., :-1])).clamp(min=-6.9) - log_mel.clamp(min=-6.9)).abs() * 8.686
    assert error.mean() < 1.0
    assert error[..., :2].mean() < 1.5 and error[..., -2:].mean() < 1.5


def test_more_components_come_nearer(sounds):
    errors = []
    for width in (4, 16, 64):
        codec = MelCodec(latent_width=width)
        codec.fit(sounds)
        errors.append(distance(codec, codec.decode(codec.encode(sounds[:4])), padded(codec, sounds[:4])))
    assert errors[0] > errors[1] > errors[2]


def test_an_unfitted_mel_codec_says_so(sounds):
    codec = MelCodec(latent_width=12)
    assert not codec.fitted
    with pytest.raises(ValueError, match="fit it on audio"):
        codec.encode(sounds)
    with pytest.raises(ValueError, match="fit it on audio"):
        codec.decode(torch.zeros(1, 2, 12))
    with pytest.raises(ValueError, match="give more audio"):
        codec.fit(sounds[:1, :, :100])
    assert not codec.fitted


def test_silence_can_be_encoded_and_stays_quiet(mel):
    sound = mel.decode(mel.encode(torch.zeros(1, 1, 16_000)))
    assert sound.abs().max() < 0.05


def test_oobleck_latents_are_normalised_per_channel(oobleck):
    sound = torch.randn(4, 2, 2000, generator=torch.Generator().manual_seed(1)) * 0.1
    latents = oobleck.encode(sound).flatten(0, 1)
    assert torch.allclose(latents.mean(0), torch.zeros(4), atol=1e-4)
    assert torch.allclose(latents.std(0), torch.ones(4), atol=0.01)


def test_oobleck_with_a_scale_is_the_autoencoder_itself(oobleck):
    codec = OobleckCodec(**OOBLECK, scale=2.0)
    assert codec.fitted
    codec.autoencoder.load_state_dict(oobleck.autoencoder.state_dict())
    sound = noise(codec, 1, 2400)
    codec.fit(sound)
    raw = codec.autoencoder.encode(sound).latent_dist.mean.mT
    assert torch.allclose(codec.encode(sound) * 2, raw, atol=1e-6)
    sound = codec.autoencoder.decode(raw.mT).sample  # an odd stride makes it a little shorter
    assert torch.allclose(codec.decode(raw / 2)[..., : sound.shape[-1]], sound, atol=1e-5)


def test_oobleck_is_frozen(oobleck):
    assert not oobleck.autoencoder.training and not any(weight.requires_grad for weight in oobleck.parameters())


def test_oobleck_from_a_folder_needs_it_once(oobleck, tmp_path):
    oobleck.autoencoder.save_pretrained(tmp_path / "model" / "vae")
    codec = OobleckCodec(str(tmp_path / "model"), subfolder="vae")
    assert (codec.hop, codec.channels, codec.latent_width, codec.sample_rate) == (24, 2, 4, 8000)
    description = codec.describe()
    assert "pretrained" not in description["init_args"] and "sha256" in description["init_args"]["origin"]
    codec.save(tmp_path / "codec.safetensors")
    (tmp_path / "model").rename(tmp_path / "gone")
    again = rebuild(description, Codec)
    again.load(tmp_path / "codec.safetensors")
    sound = noise(codec, 1, 500)
    assert torch.equal(again.encode(sound), codec.encode(sound)) and again.describe() == description


def test_other_weights_have_another_description(oobleck, tmp_path):
    descriptions = []
    for name, network in (("a", oobleck.autoencoder), ("b", OobleckCodec(**OOBLECK).autoencoder)):
        network.save_pretrained(tmp_path / name)
        descriptions.append(OobleckCodec(str(tmp_path / name)).describe()["init_args"]["origin"].split()[-1])
    assert descriptions[0] != descriptions[1]


def test_a_folder_without_an_autoencoder(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="holds no Oobleck autoencoder") as caught:
        OobleckCodec(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_the_stable_audio_defaults():
    codec = OobleckCodec(decoder_width=2, multiples=(1, 1, 1, 1, 1))
    assert (codec.sample_rate, codec.channels, codec.latent_width, codec.hop) == (44_100, 2, 64, 2048)
    assert codec.encode(noise(codec, 1, 4097)).shape == (1, 3, 64) and not codec.fitted


@pytest.mark.slow
def test_codecs_are_imported_without_diffusers():
    code = "import sys, uat_lightning.codec; sys.exit('diffusers' in sys.modules)"
    source = Path(__file__).parents[2] / "src"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(source), "PATH": ""})
