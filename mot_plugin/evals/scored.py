"""Scored: what a scores.json says about one task, read for comparing models problem by problem."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from mot_plugin.errors import FileError

Share = Annotated[float, Field(ge=0, le=1)]


class Measured(BaseModel):
    """One metric: its value and its standard error over problems."""

    model_config = ConfigDict(frozen=True)

    value: float
    stderr: float | None = None


class Scored(BaseModel):
    """One task. Other keys are not ours to judge: they are ignored."""

    model_config = ConfigDict(frozen=True)

    problems: int = Field(ge=1)
    problems_available: int | None = None
    """How many there are; more than `problems` when a limit was set."""
    repeats: int = Field(ge=1)
    hits: list[list[Share]]
    doc_hashes: list[str]
    metrics: dict[str, Measured] = {}
    version: str | float | None = None
    score_kind: str | None = None
    judge: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None
    """With which the answers were made (`evals.settings`); None in a file that is older than that."""
    chance: Share | None = None
    """What guessing scores, the mean over the problems; None if nobody wrote it down."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        widths = {len(row) for row in self.hits}
        if (len(self.hits), len(self.doc_hashes), widths) != (self.problems, self.problems, {self.repeats}):
            raise ValueError(
                f"{self.problems} problems x {self.repeats} answers, but {len(self.hits)} rows of {sorted(widths)} hits "
                f"and {len(self.doc_hashes)} doc_hashes"
            )
        return self

    def differs(self, other: "Scored") -> list[str]:
        """Why the two scores are not of one kind, as `what: here, there`; empty if they are. Repeats may differ."""
        mine, theirs = self._kind(), other._kind()
        return [f"{what}: {mine[what]}, {theirs[what]}" for what in mine if mine[what] != theirs[what]]

    def _kind(self) -> dict[str, str]:
        judge = self.judge or {}
        of_all = self.problems_available or self.problems
        # Not what the judge answered as: a server may call itself something else from one day to the next.
        return {
            "task version": str(self.version),
            "kind of score": str(self.score_kind),
            "judge": str([judge.get(key) for key in ("model", "wording", "settings")]) if judge else "None",
            "problems": f"{self.problems} of {of_all}",
        }


_TASKS: TypeAdapter[dict[str, Scored]] = TypeAdapter(dict[str, Scored])


def read(content: Mapping[str, Any], name: str) -> dict[str, Scored]:
    """Task -> what was scored, from a scores.json of step `scores` or `judge`; `name` is what it is called in messages.

    Raises FileError for any other content.
    """
    if "tasks" not in content:
        hint = ", but a report's: name an evaluation's" if "scores" in content and "verdict" in content else ""
        raise FileError(f"{name}: not the scores.json of an evaluation{hint} (it has no `tasks`)")
    try:
        return _TASKS.validate_python(content["tasks"])
    except ValidationError as error:
        found = [f"  {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5]]
        raise FileError("\n".join([f"{name}: not the scores.json of an evaluation", *found])) from None
