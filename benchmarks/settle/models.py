"""The models that are compared: the joint one and its controls, as configs over one base."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Model:
    """A model that is trained.

    Args:
        name: What it is called.
        control: The shipped config that makes it of the base; none for the joint model.
        generates: Whether it learns sounds from captions.
        captions: Whether it learns captions from sounds.
        equal_rows: Whether it has the joint model's rows of its own direction, in place of its arithmetic.
    """

    name: str
    control: str | None
    generates: bool
    captions: bool
    equal_rows: bool = False


JOINT = Model("joint", None, generates=True, captions=True)
CONTROLS = (
    Model("audio_only", "settle/audio_only.yaml", generates=True, captions=False),
    Model("caption_only", "settle/caption_only.yaml", generates=False, captions=True),
    Model("autoregressive", "settle/autoregressive.yaml", generates=False, captions=True),
)
MODELS = {
    model.name: model
    for model in (
        JOINT,
        *CONTROLS,
        *(replace(model, name=f"{model.name}_equal_rows", equal_rows=True) for model in CONTROLS),
    )
}
USUAL = (JOINT.name, *(model.name for model in CONTROLS))
