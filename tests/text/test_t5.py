from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel

from uat_lightning.configurable import rebuild
from uat_lightning.text import T5Encoder, TextEncoder
from uat_lightning.types import Sequences

ROWS, MASK = 24, 22
SIZES = {"table_rows": ROWS, "width": 16, "depth": 2, "heads": 2, "head_width": 8, "hidden": 32}


def random_encoder(**changes: object) -> T5Encoder:
    return T5Encoder(**{"mask_id": MASK, "start_id": 21, **SIZES, **changes})


@pytest.fixture
def encoder() -> T5Encoder:
    return random_encoder()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = T5Config(vocab_size=ROWS, d_model=16, num_layers=2, num_heads=2, d_kv=8, d_ff=32)
    T5EncoderModel(config).save_pretrained(tmp_path / "t5")
    return tmp_path / "t5"


def tokens(*rows: list[int]) -> Sequences:
    lengths = torch.tensor([len(row) for row in rows])
    return Sequences(torch.tensor([row + [0] * (6 - len(row)) for row in rows]), lengths)


def encode(encoder: T5Encoder, text: Sequences) -> Tensor:
    with torch.no_grad():
        return encoder.encode(text)


def test_visible_captions_are_encoded_as_t5_encodes_them_with_zeros_behind(folder: Path):
    encoder, text = random_encoder(pretrained=str(folder)), tokens([3, 4, 5, 1], [7, 1])
    model = T5EncoderModel.from_pretrained(folder).eval()
    wanted = model(text.values, attention_mask=text.mask.long()).last_hidden_state * text.mask[..., None]
    states = encode(encoder, text)
    torch.testing.assert_close(states, wanted.detach(), rtol=1e-6, atol=1e-6)
    assert not states[~text.mask].any()


def test_a_hidden_token_starts_as_the_row_it_starts_from_and_is_then_learned(encoder):
    text = tokens([3, MASK, 5, 1])
    assert torch.equal(encode(encoder, text), encode(encoder, tokens([3, 21, 5, 1])))
    nn.init.normal_(encoder.mask_offset)
    assert not torch.allclose(encode(encoder, text), encode(encoder, tokens([3, 21, 5, 1])), atol=1e-3)
    assert torch.equal(encode(encoder, tokens([3, 21, 5, 1])), encode(random_encoder(), tokens([3, 21, 5, 1])))


def test_only_the_masks_embedding_is_trained_and_saved(encoder):
    encoder.encode(tokens([3, MASK, 5, 1])).square().sum().backward()
    assert [name for name, _ in encoder.named_parameters()] == ["mask_offset"]
    assert list(encoder.state_dict()) == ["mask_offset"]
    assert encoder.mask_offset.grad.any()
    assert all(weight.grad is None for weight in encoder.model.parameters())


def test_t5_stays_in_evaluation_whatever_the_model_does(encoder):
    assert not nn.Sequential(encoder).train()[0].model.training
    assert torch.equal(encode(encoder, tokens([3, 4])), encode(encoder, tokens([3, 4])))


def test_t5_follows_the_model_from_device_to_device_and_outlives_an_emptied_one(encoder):
    before = encode(encoder, tokens([3, MASK, 1]))
    encoder.to_empty(device="cpu")
    encoder.load_state_dict({"mask_offset": torch.zeros(16)})
    assert torch.equal(before, encode(encoder, tokens([3, MASK, 1])))
    assert encoder.to("meta").model.device.type == "meta"


def test_half_precision_is_of_the_model_not_of_t5(encoder):
    states = encode(encoder.to(torch.bfloat16), tokens([3, MASK, 1]))
    assert states.dtype == torch.bfloat16
    assert encoder.model.dtype == torch.float32


def test_a_copy_is_complete(encoder):
    assert torch.equal(encode(copy.deepcopy(encoder), tokens([3, MASK])), encode(encoder, tokens([3, MASK])))


def test_random_weights_are_the_same_wherever_they_are_made(encoder):
    torch.manual_seed(5)
    made = rebuild(encoder.describe(), TextEncoder)
    assert torch.equal(encode(made, tokens([3, 4, 1])), encode(encoder, tokens([3, 4, 1])))
    assert not torch.equal(encode(random_encoder(seed=1), tokens([3, 4, 1])), encode(encoder, tokens([3, 4, 1])))


def test_another_t5_than_that_of_training_is_refused(folder: Path):
    described = random_encoder(pretrained=str(folder)).describe()
    assert isinstance(rebuild(described, TextEncoder), T5Encoder)
    T5EncoderModel(T5EncoderModel.from_pretrained(folder).config).save_pretrained(folder)
    with pytest.raises(ValueError, match=f"{folder} is not the one of training"):
        rebuild(described, TextEncoder)


def test_other_sizes_than_the_pretrained_ones_are_refused(folder: Path):
    with pytest.raises(ValueError, match="width 16, not 24"):
        random_encoder(pretrained=str(folder), width=24)
    with pytest.raises(ValueError, match=f"no row {ROWS}"):
        random_encoder(pretrained=str(folder), start_id=ROWS)


def test_a_name_that_leads_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="nowhere is missing or holds no T5"):
        T5Encoder(str(tmp_path / "nowhere"))


def test_it_is_built_without_memory_on_the_meta_device():
    with torch.device("meta"):
        encoder = T5Encoder()
    assert encoder.model.device.type == "meta"
    assert 109e6 < sum(weight.numel() for weight in encoder.model.parameters()) < 111e6
