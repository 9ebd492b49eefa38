from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from uat_lightning.backbone import DualStreamTransformer, InContextSource, Isolated, Joint, SourceLatents
from uat_lightning.diffusion import RectifiedFlow, VPCosine
from uat_lightning.sampling import DualGuidance, EditVelocity, Guidance, RescaledGuidance
from uat_lightning.sampling.guidance import Seen
from uat_lightning.types import Sequences

WIDTH, VOCABULARY, CANVAS, T = 4, 20, 6, 0.7


def network(coupling, source=None) -> DualStreamTransformer:
    torch.manual_seed(0)
    sizes = {"width": 32, "depth": 2, "heads": 2, "coupling": coupling, "source": source or SourceLatents()}
    backbone = DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, **sizes).eval()
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return backbone


class Scene:
    """A network, noisy latents beside a source, an instruction, and its predictions under all conditions."""

    def __init__(self, coupling=None, source=None) -> None:
        self.backbone = network(coupling or Joint(), source)
        lengths = torch.tensor([7, 4])
        self.latents, self.source = torch.randn(2, 7, WIDTH), Sequences(torch.randn(2, 7, WIDTH), lengths)
        self.text = Sequences(torch.randint(3, VOCABULARY, (2, CANVAS)), torch.full((2,), CANVAS))
        self.null = Sequences(torch.full((2, CANVAS), 2), torch.full((2,), CANVAS))

    @torch.no_grad()
    def guided(self, text: Guidance, source: Guidance, process=None) -> torch.Tensor:
        dual = DualGuidance(text, source)
        velocity = EditVelocity(self.backbone, self.source, [self.text], self.null, dual, process or RectifiedFlow())
        return velocity(self.latents, T)[self.source.mask]

    @torch.no_grad()
    def plain(self, seen: bool, said: bool) -> torch.Tensor:
        text, t = (self.text, torch.zeros(2)) if said else (self.null, torch.ones(2))
        given = self.backbone.given_text(text, t, self.source if seen else None)
        return given(Sequences(self.latents, self.source.lengths), torch.full((2,), T))[self.source.mask]


KINDS = {
    "joint": (Joint(), SourceLatents()),
    "isolated": (Isolated(), SourceLatents()),
    "in context": (Isolated(), InContextSource()),
}


@pytest.fixture(params=KINDS)
def scene(request) -> Scene:
    return Scene(*KINDS[request.param])


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_scales_of_one_are_the_conditional_prediction(scene: Scene):
    close(scene.guided(Guidance(1.0), Guidance(1.0)), scene.plain(True, True))


@pytest.mark.parametrize("scale", [0.0, 2.5])
def test_equal_scales_are_plain_guidance_on_both(scene: Scene, scale: float):
    nothing, both = scene.plain(False, False), scene.plain(True, True)
    close(scene.guided(Guidance(scale), Guidance(scale)), nothing + scale * (both - nothing))


def test_it_is_equation_three_of_instruct_pix2pix(scene: Scene):
    nothing, source, both = scene.plain(False, False), scene.plain(True, False), scene.plain(True, True)
    expected = nothing + 1.6 * (source - nothing) + 4.0 * (both - source)
    close(scene.guided(Guidance(4.0), Guidance(1.6)), expected)


def test_without_guidance_on_the_source_it_is_guidance_on_the_text(scene: Scene):
    source, both = scene.plain(True, False), scene.plain(True, True)
    close(scene.guided(Guidance(4.0), Guidance(1.0)), source + 4.0 * (both - source))


def test_the_texts_guidance_may_be_of_any_kind():
    scene = Scene()
    rescaled = RescaledGuidance(4.0, rescale=0.9)
    seen = Seen(Sequences(scene.latents, scene.source.lengths), torch.full((2,), T), VPCosine())
    full = [
        torch.zeros(2, 7, WIDTH).masked_scatter(scene.source.mask[..., None], scene.plain(True, said))
        for said in (True, False)
    ]
    expected = rescaled.guide(*full, seen)[scene.source.mask]
    close(scene.guided(rescaled, Guidance(1.0), VPCosine()), expected)
    moved = 0.5 * (scene.plain(True, False) - scene.plain(False, False))
    close(scene.guided(rescaled, Guidance(1.5), VPCosine()), expected + moved)


@pytest.mark.parametrize("scales", [(1.0, 1.0), (4.0, 1.0), (4.0, 1.6)])
def test_several_texts_are_followed_as_one_whose_prediction_is_their_mean(scene: Scene, scales: tuple[float, float]):
    dual, other = DualGuidance(*map(Guidance, scales)), replace(scene.text, values=scene.text.values.flip(1))
    velocity = EditVelocity(scene.backbone, scene.source, [scene.text, other], scene.null, dual)
    with torch.no_grad():
        found = velocity(scene.latents, T)[scene.source.mask]
    nothing, source, first = scene.plain(False, False), scene.plain(True, False), scene.plain(True, True)
    scene.text = other
    both = (first + scene.plain(True, True)) / 2
    close(found, nothing + scales[1] * (source - nothing) + scales[0] * (both - source))
    assert not torch.allclose(both, first, atol=1e-2)


@pytest.mark.parametrize(("text", "source", "count"), [(1.0, 1.0, 1), (4.0, 1.0, 2), (1.0, 2.0, 3), (4.0, 2.0, 3)])
def test_no_condition_is_evaluated_that_does_not_count(text: float, source: float, count: int):
    assert DualGuidance(Guidance(text), Guidance(source)).conditions(T) == count


def test_either_guidance_has_an_interval_of_its_own():
    dual = DualGuidance(Guidance(4.0, start=0.5), Guidance(2.0, start=0.8, stop=0.6))
    assert [dual.conditions(t) for t in (0.9, 0.7, 0.4)] == [1, 3, 2]


def test_where_the_text_is_not_guided_the_source_still_is():
    scene = Scene()
    moved = scene.plain(True, True) + scene.plain(True, False) - scene.plain(False, False)
    close(scene.guided(Guidance(4.0, start=0.1), Guidance(2.0)), moved)
