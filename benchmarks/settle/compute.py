"""Rows that make a control's step as much arithmetic as the joint model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from settle.models import Model
from uat_lightning.app.plan import parsed
from uat_lightning.app.planning.recipe import read_recipe
from uat_lightning.app.planning.rehearsal import directions
from uat_lightning.app.shipped import with_configs


@dataclass(frozen=True)
class Step:
    """What a training step holds.

    Args:
        generation_rows: Rows that teach sounds.
        captioning_rows: Rows that teach captions.
        generation: Floating-point operations of those rows, forward and backward.
        captioning: The same of the others.
    """

    generation_rows: int
    captioning_rows: int
    generation: int
    captioning: int

    @property
    def rows(self) -> int:
        """Rows of both kinds."""
        return self.generation_rows + self.captioning_rows

    @property
    def flops(self) -> int:
        """Operations of all rows."""
        return self.generation + self.captioning


def step_of(arguments: Sequence[str], seconds: float) -> Step:
    """Return the step of a training by its command line, for clips of so many seconds."""
    recipe = read_recipe(parsed(with_configs(arguments)), seconds)
    rows = recipe.generation_rows, recipe.rows - recipe.generation_rows
    costs = (cost.flops for cost in directions(recipe))
    return Step(*(recipe.accumulated * number for number in (*rows, *costs)))


def balanced(model: Model, joint: Step, own: Step) -> Step:
    """Return a control's step with the joint step's arithmetic, or with its rows of the control's direction.

    Args:
        model: The control.
        joint: The joint model's step.
        own: The control's step, whatever its number of rows.
    """
    same = joint.generation_rows if model.generates else joint.captioning_rows
    rows = same if model.equal_rows else round(own.rows * joint.flops / own.flops)
    made = (own.generation_rows, own.captioning_rows, own.generation, own.captioning)
    return Step(*(round(value * rows / own.rows) for value in made))
