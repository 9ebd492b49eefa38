"""Models of the shipped configs at full size, without memory or network: their parts on the meta device."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from uat_lightning.app.shipped import shipped_configs
from uat_lightning.backbone import Backbone, PaperBackbone
from uat_lightning.codec import Codec, OobleckCodec
from uat_lightning.configurable import rebuild


def described(config: str, *path: str) -> dict[str, Any]:
    """Return a part's description, what is to be fetched left out: sizes are the configs' or the classes' own."""
    found = yaml.safe_load(shipped_configs()[config].read_text())
    for name in path:
        found = found[name]
    return dict(_without_sources(found))


def _without_sources(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name not in ("pretrained", "subfolder", "warm_start")}
        return {name: _without_sources(item) for name, item in kept.items()}
    return value


def size(*modules: nn.Module) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())


@pytest.fixture(scope="module")
def backbone() -> PaperBackbone:
    with torch.device("meta"):
        made = rebuild(described("joint.yaml", "model", "init_args", "backbone"), Backbone)
    assert isinstance(made, PaperBackbone)
    return made


@pytest.fixture(scope="module")
def codec() -> OobleckCodec:
    with torch.device("meta"):
        made = rebuild(described("joint.yaml", "data", "init_args", "codec"), Codec)
    assert isinstance(made, OobleckCodec)
    return made


def test_the_papers_model_has_the_papers_parts(backbone: PaperBackbone, codec: OobleckCodec):
    millions = {
        "audio blocks": size(*(block.audio for block in backbone.blocks)) / 1e6,
        "text blocks": size(*(block.text for block in backbone.blocks)) / 1e6,
        "refiner": size(backbone.refiner) / 1e6,
        "vocabulary": size(backbone.vocabulary) / 1e6,
        "T5": size(backbone.encoder.model) / 1e6,
        "autoencoder": size(codec) / 1e6,
    }
    counted_by_hand = [1048, 311, 28, 24.7, 110, 156]
    assert list(millions.values()) == pytest.approx(counted_by_hand, rel=0.02)
    total = size(backbone, backbone.encoder.model, codec)
    assert 1.6e9 < total < 1.8e9
    assert total - 1e6 * sum(millions.values()) < 0.01 * total


def test_one_audio_block_is_stable_audios(backbone: PaperBackbone):
    assert size(backbone.blocks[0].audio) == pytest.approx(43.65e6, rel=1e-3)


def test_nothing_of_it_takes_memory(backbone: PaperBackbone, codec: OobleckCodec):
    modules = (backbone, backbone.encoder.model, codec)
    assert {tensor.device.type for module in modules for tensor in module.state_dict().values()} == {"meta"}


def test_what_the_text_encoder_says_is_not_in_the_checkpoint(backbone: PaperBackbone):
    names = [name for name in backbone.state_dict() if name.startswith("encoder.")]
    assert names == ["encoder.mask_offset"]


def test_the_papers_recipe():
    config = yaml.safe_load(shipped_configs()["joint.yaml"].read_text())
    model, data, trainer = config["model"]["init_args"], config["data"]["init_args"], config["trainer"]
    assert (model["text_weight"], model["optimizer"]["init_args"]["lr"]) == (0.2, 8e-5)
    assert (data["batch_size"], trainer["max_steps"]) == (768, 60_000)
    assert (model["square"]["init_args"]["drop_text"], model["square"]["init_args"]["drop_audio"]) == (0.1, 0.0)
    mask = model["backbone"]["init_args"]["encoder"]["init_args"]["mask_id"]
    assert model["text"]["init_args"]["mask_id"] == mask == model["backbone"]["init_args"]["vocabulary_size"] - 1
    assert data["codec"]["init_args"]["scale"] == 1.0  # the warm start knows latents as they are


def sizes() -> dict[str, tuple[dict[str, int], float]]:
    """Return the sizes that ``joint_plus.yaml`` lists, and the billions of weights that it says they have."""
    lines = re.findall(r"#\s+(\w+):\s+(\{.*\})\s+# ([\d.]+) billion", shipped_configs()["joint_plus.yaml"].read_text())
    return {name: (yaml.safe_load(given), float(billions)) for name, given, billions in lines}


def test_the_plus_models_sizes_are_tiny_base_and_large_and_base_is_chosen():
    arguments = described("joint_plus.yaml", "model", "init_args", "backbone")["init_args"]
    assert list(sizes()) == ["tiny", "base", "large"]
    assert {name: arguments[name] for name in ("width", "depth", "heads")} == sizes()["base"][0]


@pytest.mark.parametrize("name", ["tiny", "base", "large"])
def test_the_plus_models_have_the_weights_that_the_config_says(name: str):
    changes, billions = sizes()[name]
    description = described("joint_plus.yaml", "model", "init_args", "backbone")
    with torch.device("meta"):
        made = rebuild({**description, "init_args": {**description["init_args"], **changes}}, Backbone)
    assert round(size(made) / 1e9, 2) == billions
