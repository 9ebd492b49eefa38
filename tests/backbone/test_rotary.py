from __future__ import annotations

import torch

from uat_lightning.backbone.attention import attention
from uat_lightning.backbone.modulation import Modulation, TimeEmbedding
from uat_lightning.backbone.rotary import rotary_angles, rotate

CPU = torch.device("cpu")


def test_scores_depend_on_the_distance_only():
    angles = rotary_angles(40, 8, 10_000.0, CPU)
    query, key = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)
    scores = [
        float((rotate(query, angles[i : i + 1]) * rotate(key, angles[i + 5 : i + 6])).sum()) for i in range(0, 35, 5)
    ]
    assert max(scores) - min(scores) < 1e-5
    near = float((rotate(query, angles[:1]) * rotate(key, angles[1:2])).sum())
    assert abs(near - scores[0]) > 1e-3


def test_attention_of_a_shifted_sequence_is_the_shifted_attention():
    angles = rotary_angles(12, 8, 10_000.0, CPU)
    q, k, v = torch.randn(3, 1, 2, 6, 8, dtype=torch.float64)
    valid = torch.ones(1, 6, dtype=torch.bool)
    here = attention(rotate(q, angles[:6]), rotate(k, angles[:6]), v, valid)
    there = attention(rotate(q, angles[6:]), rotate(k, angles[6:]), v, valid)
    torch.testing.assert_close(here, there, rtol=0, atol=1e-6)


def test_a_rotation_keeps_lengths_and_the_first_position():
    angles, x = rotary_angles(9, 8, 100.0, CPU), torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(rotate(x, angles).norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(rotate(x, angles)[:, :, 0], x[:, :, 0])


def test_attention_reads_valid_keys_only():
    q, k, v = torch.randn(3, 2, 2, 5, 4)
    valid = torch.arange(5) < torch.tensor([[3], [5]])
    out = attention(q, k, v, valid)
    spoiled = torch.where(valid[:, None, :, None], v, 1e9)
    torch.testing.assert_close(out, attention(q, k, spoiled, valid))
    weights = (q[0] @ k[0, :, :3].mT / 2).softmax(-1)
    torch.testing.assert_close(out[0], weights @ v[0, :, :3])


def test_modulation_starts_as_nothing_and_leaves_the_norm_alone():
    (how,) = Modulation(8, sublayers=1)(torch.randn(3, 8))
    x = torch.randn(3, 5, 8)
    assert torch.equal(how.enter(x), x)
    assert not how.gate.any()


def test_times_that_differ_are_embedded_differently():
    embedded = TimeEmbedding(16)(torch.linspace(0, 1, 50))
    assert torch.pdist(embedded).min() > 1e-3
