from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from uat_lightning.cli import main
from uat_lightning.pipeline import UATPipeline
from uat_lightning.sampling import ConfidenceOrder, Euler
from uat_lightning.tasks import Caption, Generate

PARTS = '''
"""Parts of somebody else's project."""

import torch
from torch import nn

from uat_lightning.backbone import Backbone, Prediction, TextPrediction
from uat_lightning.codec import Codec
from uat_lightning.diffusion import VPCosine


class Blocks(Codec):
    """Latents are the samples themselves, a block at a time.

    Args:
        block: Samples of a block.
    """

    def __init__(self, block: int = 400):
        super().__init__()
        self.sample_rate, self.channels, self.hop, self.latent_width = 16_000, 1, block, block

    def encode(self, waveforms):
        samples = waveforms.shape[-1]
        padded = nn.functional.pad(waveforms[:, 0], (0, self.frames(samples) * self.hop - samples))
        return padded.unflatten(-1, (-1, self.hop))

    def decode(self, latents):
        return latents.flatten(1)[:, None]


class Averages(Backbone):
    """Two linear maps and the mean of the other side.

    Args:
        latent_width: Channels of the latents.
        vocabulary_size: Token ids.
        canvas: Longest text.
    """

    def __init__(self, latent_width: int, vocabulary_size: int = 256, canvas: int = 32):
        super().__init__()
        self.latent_width, self.vocabulary_size, self.canvas = latent_width, vocabulary_size, canvas
        self.words = nn.Embedding(vocabulary_size, 8)
        self.velocity = nn.Linear(latent_width + 9, latent_width)
        self.logits = nn.Linear(latent_width + 9, vocabulary_size)

    def forward(self, noisy, t):
        audio, text = noisy.audio.values, self.words(noisy.text.values)
        told = torch.cat([text.mean(1), t.audio[:, None]], -1)[:, None].expand(-1, audio.shape[1], -1)
        heard = torch.cat([audio.mean(1), t.text[:, None]], -1)[:, None].expand(-1, text.shape[1], -1)
        words = TextPrediction(torch.cat([text, heard], -1), self.logits)
        return Prediction(self.velocity(torch.cat([audio, told], -1)), words)


class NoisePrediction(VPCosine):
    """The variance-preserving path of which the noise is asked for."""

    drawn = 0

    def corrupt(self, clean, t, generator=None):
        type(self).drawn += 1
        return super().corrupt(clean, t, generator)

    def target(self, clean, noise, t):
        return noise

    def separate(self, prediction, noisy, t):
        alpha, sigma = (share.reshape(-1, 1, 1) for share in (self.alpha(t), self.sigma(t)))
        return (noisy - sigma * prediction) / alpha.clamp(min=1e-3), prediction
'''

CONFIG = """
trainer: {{max_steps: 3, accelerator: cpu, devices: 1, logger: false, default_root_dir: {folder},
  enable_progress_bar: false,
  enable_model_summary: false, enable_checkpointing: false, num_sanity_val_steps: 0,
  callbacks: [{{class_path: uat_lightning.callbacks.ExportPipeline, init_args: {{folder: {folder}/model}}}}]}}
model:
  class_path: uat_lightning.module.UATModule
  init_args:
    backbone: {{class_path: their_lab.parts.Averages, init_args: {{latent_width: 400}}}}
    audio: {{class_path: their_lab.parts.NoisePrediction}}
    text: {{class_path: uat_lightning.diffusion.MaskedAbsorbing}}
    square:
      class_path: uat_lightning.diffusion.Conditional
      init_args:
        audio: {{class_path: uat_lightning.diffusion.Uniform}}
        text: {{class_path: uat_lightning.diffusion.Uniform}}
data:
  class_path: uat_lightning.data.soundscapes.datamodule.SoundscapesDataModule
  init_args:
    codec: {{class_path: their_lab.parts.Blocks, init_args: {{block: 400}}}}
    tokenizer: {{class_path: uat_lightning.text.BytePairTokenizer, init_args: {{canvas: 32, vocabulary_size: 256}}}}
"""


@pytest.fixture
def their_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "their_lab").mkdir()
    (tmp_path / "their_lab" / "__init__.py").touch()
    (tmp_path / "their_lab" / "parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "their_lab"]:
        del sys.modules[name]


def test_parts_of_another_package_train_save_and_load(their_lab, tmp_path: Path, tiny_data):
    config = yaml.safe_load(CONFIG.format(folder=tmp_path))
    config["data"]["init_args"].update(tiny_data)
    (tmp_path / "theirs.yaml").write_text(yaml.safe_dump(config))
    main(["fit", "--config", str(tmp_path / "theirs.yaml")])

    parts = importlib.import_module("their_lab.parts")
    assert parts.NoisePrediction.drawn >= 3
    loaded = UATPipeline.from_pretrained(tmp_path / "model")
    assert type(loaded.parts.backbone) is parts.Averages
    assert type(loaded.parts.codec) is parts.Blocks
    assert type(loaded.parts.process) is parts.NoisePrediction
    (waveform,) = loaded.generate("rain", 0.5, task=Generate(Euler(3)))
    assert waveform.shape == (1, 8000)
    assert isinstance(loaded.caption([waveform], task=Caption(ConfidenceOrder(3)))[0], str)
    torch.testing.assert_close(loaded.parts.codec.decode(loaded.parts.codec.encode(waveform[None]))[0], waveform)

    forget()
    with pytest.raises(ValueError, match=r"the model needs their_lab\.parts\.Averages: import their_lab\.parts first"):
        UATPipeline.from_pretrained(tmp_path / "model")
    assert "their_lab.parts" not in sys.modules
