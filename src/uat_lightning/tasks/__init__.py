"""What people ask for: generate, edit, caption."""

from uat_lightning.tasks.base import Parts
from uat_lightning.tasks.caption import Caption
from uat_lightning.tasks.edit import Edit
from uat_lightning.tasks.generate import Generate

__all__ = ["Caption", "Edit", "Generate", "Parts"]
