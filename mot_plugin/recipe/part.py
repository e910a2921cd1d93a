"""What every block of a recipe is: strict, frozen, nothing derived."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# Names become folders, LLaMA-Factory data set names (where `,` separates) and mergekit paths (`+` is LoRA, `@` a revision).
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Steps = Annotated[int, Field(ge=1)]

PROMPT = "{problem}\nPlease reason step by step, and put your final answer within \\boxed{}."
"""User turn of a training row where a recipe says nothing else."""


class Part(BaseModel):
    """A block of a recipe: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
