from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from uat_lightning.backbone import (
    DualStreamTransformer,
    InContextSource,
    Isolated,
    Joint,
    PaperBackbone,
    SourceLatents,
    beside,
)
from uat_lightning.backbone.attention import attention
from uat_lightning.backbone.source import LEAST, SourceExit
from uat_lightning.configurable import rebuild
from uat_lightning.diffusion import RectifiedFlow, VPCosine
from uat_lightning.text import LearnedEmbedding
from uat_lightning.types import Pair, Sequences

WIDTH, VOCABULARY, CANVAS = 4, 20, 6


def dual_stream(source: SourceLatents | None, coupling=None) -> DualStreamTransformer:
    torch.manual_seed(0)
    sizes = {"width": 16, "depth": 2, "heads": 2, "stem_kernel": 3}
    return DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, coupling=coupling, source=source, **sizes).eval()


def paper(source: SourceLatents | None) -> PaperBackbone:
    torch.manual_seed(0)
    sizes = {"width": 32, "depth": 2, "heads": 2, "key_value_heads": 1, "text_heads": 2, "refiner_depth": 1}
    encoder = LearnedEmbedding(VOCABULARY, CANVAS, 16, mask_id=2)
    return PaperBackbone(encoder, WIDTH, VOCABULARY, CANVAS, source=source, **sizes).eval()


KINDS = {"dual stream": dual_stream, "paper": paper}


def awake(backbone):
    """Make every weight matter: nothing is left at its zero start."""
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return backbone


def some(rows: int = 3) -> tuple[Pair[Sequences], Pair[torch.Tensor], Sequences]:
    torch.manual_seed(1)
    audio = Sequences(torch.randn(rows, 7, WIDTH), torch.tensor([7, 3, 5])[:rows])
    text = Sequences(torch.randint(3, VOCABULARY, (rows, CANVAS)), torch.full((rows,), CANVAS))
    t = Pair(torch.tensor([0.9, 0.5, 0.2])[:rows], torch.zeros(rows))
    return Pair(audio, text), t, Sequences(torch.randn(rows, 7, WIDTH), audio.lengths)


@pytest.mark.parametrize("kind", KINDS)
def test_at_first_half_of_the_prediction_is_that_the_source_stays(kind: str):
    noisy, t, source = some()
    plain, new = KINDS[kind](None), KINDS[kind](SourceLatents())
    new.load_state_dict({**new.state_dict(), **plain.state_dict()})
    expected, found = plain(noisy, t), new(Pair(beside(noisy.audio, source), noisy.text), t)
    stays = (noisy.audio.values - source.values) / t.audio[:, None, None]
    torch.testing.assert_close(found.audio[noisy.audio.mask], ((expected.audio + stays) / 2)[noisy.audio.mask])
    assert torch.equal(found.text.logits(), expected.text.logits())


@pytest.mark.parametrize("kind", KINDS)
def test_other_weights_start_as_they_do_without_a_source(kind: str):
    plain, new = KINDS[kind](None).state_dict(), KINDS[kind](SourceLatents()).state_dict()
    own, leaving = set(new) - set(plain), ("stays.weight", "stays.bias", "shares.weight", "shares.bias")
    assert own == {"source.entrance.weight", *(f"source.exit.{name}" for name in leaving)}
    assert not any(new[name].any() for name in own)
    assert all(torch.equal(new[name], plain[name]) for name in plain)


@pytest.mark.parametrize("kind", KINDS)
def test_an_absent_source_is_no_source(kind: str):
    noisy, t, source = some()
    backbone = awake(KINDS[kind](SourceLatents()))
    expected = backbone(noisy, t).audio
    gone = replace(source, lengths=torch.zeros(3, dtype=torch.int64))
    found = backbone(Pair(beside(noisy.audio, gone), noisy.text), t).audio
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(backbone(Pair(beside(noisy.audio, source), noisy.text), t).audio, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_a_source_and_not_the_absence_of_one(kind: str):
    noisy, t, source = some()
    backbone = awake(KINDS[kind](SourceLatents()))
    silence = beside(noisy.audio, replace(source, values=torch.zeros_like(source.values)))
    assert not torch.allclose(backbone(Pair(silence, noisy.text), t).audio, backbone(noisy, t).audio)


@pytest.mark.parametrize("kind", KINDS)
def test_it_equals_one_layer_over_the_concatenated_channels(kind: str):
    noisy, _, source = some()
    backbone = awake(KINDS[kind](SourceLatents()))
    wide = beside(noisy.audio, source).values
    layer = backbone.audio_in if kind == "dual stream" else backbone.enter
    narrow = wide[..., :WIDTH] if kind == "dual stream" else wide[..., :WIDTH] + backbone.latents_in(wide[..., :WIDTH])
    whole = torch.cat([layer.weight, backbone.source.entrance.weight], 1)
    expected = torch.nn.functional.linear(torch.cat([narrow, wide[..., WIDTH:]], -1), whole, layer.bias)
    found = layer(narrow) + backbone.source.entrance(wide[..., WIDTH:])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("coupling", [Joint(), Isolated()])
def test_a_remembered_text_and_one_forward_see_the_same_source(coupling):
    noisy, t, source = some()
    backbone = awake(dual_stream(SourceLatents(), coupling))
    audio = beside(noisy.audio, source)
    once = backbone.given_text(noisy.text, t.text)(audio, t.audio)
    whole = backbone(Pair(audio, noisy.text), t).audio
    inside = noisy.audio.mask
    torch.testing.assert_close(once[inside], whole[inside], rtol=1e-5, atol=1e-6)


def test_rows_do_not_see_each_others_sources_nor_padding():
    noisy, t, source = some()
    backbone = awake(dual_stream(SourceLatents()))
    whole = backbone(Pair(beside(noisy.audio, source), noisy.text), t).audio
    dirty = torch.where(source.mask[..., None], source.values, torch.nan)
    again = backbone(Pair(beside(noisy.audio, replace(source, values=dirty)), noisy.text), t).audio
    assert torch.equal(whole, again)
    one = torch.tensor([1])
    alone = Pair(beside(noisy.audio.take(one), source.take(one)), noisy.text.take(one))
    found = backbone(alone, Pair(t.audio[one], t.text[one])).audio
    torch.testing.assert_close(found[0, :3], whole[1, :3], rtol=1e-5, atol=1e-6)


def test_every_weight_has_a_gradient_where_no_row_has_a_source():
    noisy, t, _ = some()
    backbone = awake(dual_stream(SourceLatents()))
    prediction = backbone(noisy, t)
    (prediction.audio.sum() + prediction.text.logits().sum()).backward()
    assert all(weight.grad is not None for weight in backbone.parameters())
    assert not backbone.source.entrance.weight.grad.any()
    assert not backbone.source.exit.stays.weight.grad.any()


def leaving(**biases: torch.Tensor | float) -> SourceExit:
    """What leaves the network, with the same to say of every frame and channel."""
    leave = SourceExit(WIDTH, 2)
    for name, bias in biases.items():
        getattr(leave, name).bias.data[:] = bias
    return leave


@pytest.mark.parametrize("process", [RectifiedFlow(), VPCosine()])
@pytest.mark.parametrize("level", [0.05, 0.6, 1.0])
def test_what_stays_has_the_exact_prediction_of_any_process(process, level: float):
    """One pair of shares for a noise level says it for any latents and any noise; the rectified flow's are none."""
    _, _, source = some()
    t = torch.full((3,), level)
    noise = torch.randn_like(source.values)
    noisy, target = process.path(source.values, noise, t), process.target(source.values, noise, t)
    alpha, sigma = process.alpha(t)[0], process.sigma(t)[0]
    exact = torch.stack([level * alpha / sigma - 1, level / sigma - 1]).repeat_interleave(WIDTH)
    whole = Sequences(noisy, torch.full((3,), 7))
    wide = beside(whole, replace(source, lengths=whole.lengths)).values
    leave = leaving(stays=torch.inf, shares=exact if isinstance(process, VPCosine) else 0.0)
    found = leave(torch.zeros_like(noisy), torch.zeros(3, 7, 2), wide, t, torch.zeros(3, 2))
    torch.testing.assert_close(found, target, rtol=1e-4, atol=1e-4)


def test_a_frame_that_surely_changes_is_as_the_network_makes_it():
    noisy, t, source = some()
    made, wide = torch.randn_like(noisy.audio.values), beside(noisy.audio, source).values
    found = leaving(stays=-torch.inf)(made, torch.zeros(3, 7, 2), wide, t.audio, torch.zeros(3, 2))
    assert torch.equal(found, made)


def test_next_to_no_noise_nothing_grows_without_bound():
    noisy, _, source = some()
    made, wide = torch.zeros_like(noisy.audio.values), beside(noisy.audio, source).values
    found = leaving(stays=torch.inf)(made, torch.zeros(3, 7, 2), wide, torch.zeros(3), torch.zeros(3, 2))
    assert found.isfinite().all()
    torch.testing.assert_close(found[0], (noisy.audio.values - source.values)[0] / LEAST)


def test_a_backbone_without_one_says_so():
    noisy, t, source = some()
    with pytest.raises(ValueError, match="takes no source"):
        dual_stream(None)(Pair(beside(noisy.audio, source), noisy.text), t)


def test_a_described_backbone_comes_back_with_its_source():
    made = rebuild(dual_stream(SourceLatents()).describe(), DualStreamTransformer)
    assert made.takes_source
    assert made.source.entrance.weight.shape == (16, WIDTH + 1)
    assert not rebuild(dual_stream(None).describe(), DualStreamTransformer).takes_source


def in_context() -> DualStreamTransformer:
    return awake(dual_stream(InContextSource(), Isolated()))


@torch.no_grad()
def written_out(backbone, noisy: Pair[Sequences], t: Pair[torch.Tensor], source: Sequences) -> torch.Tensor:
    """The prediction with three streams side by side, none of them remembered, under one mask."""
    clean = Sequences(source.values.masked_fill(~source.mask[..., None], 0), source.lengths)
    wide = beside(noisy.audio, source)
    x = [backbone._hear(wide), backbone._embed(noisy.text.values), backbone._hear(clean)]
    told = [backbone.audio_time(t.audio), backbone._text_condition(t.text), backbone.audio_time(0 * t.audio)]
    said, valid = (t.text == 0)[:, None], [noisy.audio.mask, noisy.text.mask, source.mask]
    reads = [
        torch.cat([valid[0], valid[1] & said, valid[2]], 1),
        torch.cat([0 * valid[0] > 0, valid[1], valid[2]], 1),
        torch.cat([0 * valid[0] > 0, valid[1] & said, valid[2]], 1),
    ]
    for block in backbone.blocks:
        streams = [block.audio, block.text, block.audio]
        how = [stream.modulation(condition) for stream, condition in zip(streams, told, strict=True)]
        angles = [backbone._angles(wide), None, backbone._angles(clean)]
        asked = [s.ask(part, h[0], a) for s, part, h, a in zip(streams, x, how, angles, strict=True)]
        key = torch.cat([one.memory.key for one in asked], 2)
        value = torch.cat([one.memory.value for one in asked], 2)
        x = [
            s.update(part, attention(one.query, key, value, may), *h)
            for s, part, one, may, h in zip(streams, x, asked, reads, how, strict=True)
        ]
    return backbone._velocity(x[0], wide, t.audio, told[0])


@pytest.mark.parametrize("null", [0.0, 1.0])
def test_a_source_in_context_is_three_streams_under_one_mask(null: float):
    noisy, t, source = some()
    t = Pair(t.audio, torch.full((3,), null))
    source = replace(source, lengths=torch.tensor([7, 2, 5]))
    backbone = in_context()
    found = backbone.given_text(noisy.text, t.text, source)(noisy.audio, t.audio)
    expected = written_out(backbone, noisy, t, source)
    inside = noisy.audio.mask
    torch.testing.assert_close(found[inside], expected[inside], rtol=1e-4, atol=1e-5)


def test_what_is_said_of_a_source_changes_what_is_heard_of_it():
    noisy, t, source = some()
    backbone = in_context()
    other = replace(noisy.text, values=noisy.text.values.flip(1))
    one, two = (backbone.given_text(text, t.text, source) for text in (noisy.text, other))
    frames = slice(noisy.text.values.shape[1], None)
    assert torch.equal(one.wide.memories[0].key[:, :, frames], two.wide.memories[0].key[:, :, frames])
    assert not torch.allclose(one.wide.memories[1].key[:, :, frames], two.wide.memories[1].key[:, :, frames])


def test_without_a_source_in_context_a_row_is_as_it_was():
    noisy, t, source = some()
    backbone = in_context()
    some_gone = replace(source, lengths=torch.tensor([0, 3, 0]))
    found = backbone.given_text(noisy.text, t.text, some_gone)(noisy.audio, t.audio)
    plain = backbone.given_text(noisy.text, t.text)(noisy.audio, t.audio)
    torch.testing.assert_close(found[[0, 2]], plain[[0, 2]], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found[1, :3], plain[1, :3])


def test_a_null_text_and_padding_are_not_read_beside_a_source_in_context():
    noisy, t, source = some()
    source, backbone = replace(source, lengths=torch.tensor([7, 0, 4])), in_context()
    null = torch.ones(3)
    dirty = replace(source, values=torch.where(source.mask[..., None], source.values, torch.nan))
    other = replace(noisy.text, values=noisy.text.values.flip(1))
    found = backbone.given_text(noisy.text, null, source)(noisy.audio, t.audio)
    again = backbone.given_text(other, null, dirty)(noisy.audio, t.audio)
    assert torch.equal(found, again)
    assert found.isfinite().all()


def test_a_source_in_context_can_be_given_for_some_rows():
    noisy, t, source = some()
    backbone, rows = in_context(), torch.tensor([2, 0])
    whole = backbone.given_text(noisy.text, t.text, source)
    found = whole.take(rows)(noisy.audio.take(rows), t.audio[rows])
    torch.testing.assert_close(found, whole(noisy.audio, t.audio)[rows], rtol=1e-5, atol=1e-6)


def test_a_source_in_context_teaches_every_weight_of_its_way():
    noisy, t, source = some()
    backbone = in_context()
    backbone.given_text(noisy.text, t.text, source)(noisy.audio, t.audio)[noisy.audio.mask].sum().backward()
    streams = (part for block in backbone.blocks[:-1] for part in (block.audio, block.text))
    assert all(weight.grad.any() for stream in streams for weight in stream.parameters())


def test_where_a_source_cannot_be_read_is_said_at_once():
    with pytest.raises(ValueError, match="under the coupling Joint a source in context would not stay the same"):
        dual_stream(InContextSource(), Joint())
    with pytest.raises(ValueError, match="take SourceLatents"):
        paper(InContextSource())
    noisy, t, source = some()
    with pytest.raises(ValueError, match="train with PassPerDirection"):
        in_context()(Pair(beside(noisy.audio, source), noisy.text), t)
