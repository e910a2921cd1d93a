"""provenance.json: where a student comes from, so that somebody else can make it again or see why theirs is another one.

Times, host names, paths and keys are not in it: the same run says the same.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from mot_plugin.errors import FileError
from mot_plugin.recipe.part import Slug

FILE = "provenance.json"


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or path.startswith("~"):
        raise ValueError(f"{path} leads out of the folder that the recipe is put into")
    return path


Inside = Annotated[str, AfterValidator(_inside)]
"""A path that stays beside the recipe: somebody else may have written it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(_Part):
    """An outside file or folder: `name` in a run folder, `path` in the recipe, its digest, and in words what it is."""

    name: str
    path: Inside
    digest: str
    what: str


class PlannedStep(_Part):
    """A step of the plan: its fingerprint, what went into it, and the tools that did it (tool -> key in `environments`)."""

    kind: str
    fingerprint: str
    parts: dict[str, str]
    tools: dict[str, str] = {}
    hardware: str | None = None


class Bytes(_Part):
    """What a shipped file is."""

    sha256: str
    size: int


class Provenance(_Part):
    """All of it. `cut` are keys of the recipe whose values were paths of a computer and lost all but their last parts."""

    format: int = 1
    made_by: dict[str, str | None]
    recipe_name: Slug
    recipe: str
    cut: list[str] = []
    mergekit: dict[Inside, str] = {}
    """mergekit files of the user's own, by their names in the recipe."""
    inputs: list[Input]
    seeds: dict[str, int]
    student: dict[str, Any]
    source: dict[str, Any] | None
    corpora: dict[str, dict[str, Any]]
    benchmarks: dict[str, dict[str, Any]]
    machine: dict[str, Any]
    chosen: dict[str, Any]
    plan: dict[str, PlannedStep]
    environments: dict[str, dict[str, str]]
    hardware: dict[str, dict[str, str]]
    files: dict[str, Bytes]


def read(path: Path) -> Provenance:
    """A provenance.json, or that of a folder. Raises FileError."""
    file = path / FILE if path.is_dir() else path
    try:
        return Provenance.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(f"{file}: no such file; it lies beside a shipped student (a run's `student` folder)") from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise FileError(f"{file} is not the provenance of a student that this version knows\n{error}") from None


def write(folder: Path, found: Provenance) -> None:
    """Write it beside what it is of."""
    text = json.dumps(found.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    (folder / FILE).write_text(text, encoding="utf-8")


def files_of(folder: Path) -> dict[str, Bytes]:
    """Every file of a shipped folder but its provenance."""
    found = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name != FILE and not file.name.startswith("."):
            found[file.name] = Bytes(sha256=sha256(file), size=file.stat().st_size)
    return found


def differing(folder: Path, recorded: Mapping[str, Bytes], *, only_there: bool = False) -> list[str]:
    """How the files in `folder` differ from the recorded ones, a sentence each. `only_there`: absent ones are not compared."""
    said = []
    for name, wanted in recorded.items():
        file = folder / name
        if not file.is_file():
            said += [] if only_there else [f"{name} is not there"]
        elif file.stat().st_size != wanted.size:
            said.append(f"{name} has {file.stat().st_size:,} bytes instead of {wanted.size:,}")
        elif (now := sha256(file)) != wanted.sha256:
            said.append(f"{name} has other bytes: SHA-256 {now[:12]}... instead of {wanted.sha256[:12]}...")
    return said


def sha256(file: Path) -> str:
    """Of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class Shared:
    """Numbers equal values: hundreds of steps ran in three environments."""

    def __init__(self, letter: str) -> None:
        self._letter = letter
        self.known: dict[str, dict[str, str]] = {}

    def key(self, value: dict[str, str]) -> str:
        """The name that this value has in `known`."""
        for name, other in self.known.items():
            if other == value:
                return name
        name = f"{self._letter}{len(self.known) + 1}"
        self.known[name] = value
        return name
