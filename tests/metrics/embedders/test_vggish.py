from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from uat_lightning.metrics.embedders.vggish import VGGish, examples

RATE = 16_000
LAYOUT = {  # of the published state dict
    "features.0": (64, 1, 3, 3),
    "features.3": (128, 64, 3, 3),
    "features.6": (256, 128, 3, 3),
    "features.8": (256, 256, 3, 3),
    "features.11": (512, 256, 3, 3),
    "features.13": (512, 512, 3, 3),
    "embeddings.0": (4096, 12288),
    "embeddings.2": (4096, 4096),
    "embeddings.4": (128, 4096),
}


def noise(samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(0))


def log_mel(waveform: np.ndarray) -> np.ndarray:
    """Return what the paper and its release say, written out: frame by frame and triangle by triangle."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    mels = 1127 * np.log1p(np.arange(257) * RATE / 512 / 700)
    edges = np.linspace(*(1127 * np.log1p(np.array([125.0, 7500.0]) / 700)), 66)
    rising = (mels[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - mels[:, None]) / np.diff(edges)[1:]
    triangles = np.maximum(0, np.minimum(rising, falling))
    starts = range(0, len(waveform) - 400 + 1, 160)
    spectra = [np.abs(np.fft.rfft(waveform[start : start + 400] * window, 512)) for start in starts]
    return np.log(np.stack(spectra) @ triangles + 0.01)


def test_the_front_end_is_that_of_the_release():
    waveform = noise(3 * RATE)
    expected = log_mel(waveform.double().numpy())
    found = examples(waveform)
    assert found.shape == (3, 96, 64)
    np.testing.assert_allclose(found.flatten(0, 1).numpy(), expected[: 3 * 96], atol=2e-3)


def test_examples_are_whole_and_short_clips_are_one():
    assert examples(noise(15_600)).shape == examples(noise(10)).shape == (1, 96, 64)
    assert len(examples(noise(15_600 + 15_359))) == 1
    assert len(examples(noise(15_600 + 15_360))) == 2


@pytest.mark.slow
def test_published_weights_fit_and_go_where_they_belong(tmp_path):
    state = {f"{name}.weight": torch.zeros(shape) for name, shape in LAYOUT.items()}
    state |= {f"{name}.bias": torch.zeros(shape[0]) for name, shape in LAYOUT.items()}
    state["pproc.pca_means"] = torch.zeros(128, 1)
    state["embeddings.4.bias"] = torch.linspace(-1, 1, 128)  # below 0 too: no rectifier comes after it
    save_file(state, tmp_path / "vggish.safetensors")
    torch.save(state, tmp_path / "vggish.pth")
    for name in ("vggish.safetensors", "vggish.pth"):
        network = VGGish(str(tmp_path / name))
        found = network.embed([noise(2 * RATE), noise(100)])
        assert [tuple(rows.shape) for rows in found] == [(2, 128), (1, 128)]
        assert torch.equal(found[0][1], state["embeddings.4.bias"])
    del state["features.8.bias"]
    save_file(state, tmp_path / "part.safetensors")
    with pytest.raises(ValueError, match=r"features\.8\.bias"):
        VGGish(str(tmp_path / "part.safetensors"))


def test_no_weights_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda self: None)  # 70 million draws for nothing
    (tmp_path / "vggish.pth").write_bytes(b"nothing")
    for name in ("vggish.pth", "absent.safetensors"):
        with pytest.raises(ValueError, match="holds no VGGish weights"):
            VGGish(str(tmp_path / name))
