"""What is evaluated by hand: a model folder, a student of a run, a hub's model, or a model at an endpoint."""

import re
from dataclasses import dataclass
from pathlib import Path

from mot_plugin import students
from mot_plugin.errors import FileError, MissingInput

_NO_NAME = re.compile(r"model|student|checkpoint-\d+|out")
"""Folders that are called after what they hold: their parents' names say more."""


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a folder, or the name that the `endpoint` has for it. `label` is what people call it."""

    label: str
    model: str
    endpoint: str | None = None


def local(model: str, student: str | None = None) -> Subject:
    """A model folder, the student of a run (MoT unless it says another), or a hub's model. Raises FileError, MissingInput."""
    path = Path(model).expanduser()
    if (path / "plan.json").is_file():
        which = student or "MoT"
        folder = students.of_run(path, which)
        if not folder.is_dir():
            raise MissingInput(f"{path} has no {which} student (yet): {folder} is not there")
        return Subject(f"{path.resolve().name}-{which}", str(folder.resolve()))
    if student is not None:
        raise FileError(f"--student is one of a run, but {model} is no run folder")
    if path.is_dir():
        parts = path.resolve().parts
        return Subject("-".join(parts[-2:] if _NO_NAME.fullmatch(parts[-1]) else parts[-1:]), str(path.resolve()))
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise MissingInput(f"{model}: no such folder; name a model folder, a run folder, or a hub's org/name@revision")
    name, _, revision = model.partition("@")
    return Subject(name.rpartition("/")[2], str(students.download(name, revision or None)))


def served(url: str, name: str) -> Subject:
    """A model at an OpenAI-compatible endpoint, whose `url` goes up to /v1 (or to /chat/completions)."""
    whole = url.rstrip("/")
    return Subject(name.rpartition("/")[2], name, whole.removesuffix("/chat/completions") + "/chat/completions")
