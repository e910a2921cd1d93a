"""The problems of an evaluation task: what a source must not hold."""

import importlib
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from mot_plugin.errors import FileError


class Benchmark(BaseModel):
    """A task's loader, `module.function` as its file names it, and what lm-eval would call it with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    loader: str
    arguments: dict[str, Any]
    column: str = "problem"

    def paths(self) -> tuple[str, ...]:
        """Files that ship with us and that it reads."""
        path = self.arguments.get("path")
        return (str(path),) if path else ()

    def problems(self) -> Iterator[tuple[str, str]]:
        """(id, problem) of every row. Raises MissingInput without the data, FileError for a task that has no such loader."""
        module, _, name = self.loader.rpartition(".")
        try:
            load = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError):
            raise FileError(
                f"{self.loader} is no loader of problems, so nothing can be decontaminated against its task"
            ) from None
        for split in load(**self.arguments).values():
            for number, row in enumerate(split):
                yield str(row.get("id", number)), str(row[self.column])
