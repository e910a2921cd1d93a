"""Copies of what evaluations and recipes read from the hub, in the folders in which their loaders look for it."""

import importlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from mot_plugin.errors import MissingInput
from mot_plugin.recipe import Recipe
from mot_plugin.sources.rows import read_rows
from mot_plugin.tools import lm_eval
from mot_plugin.tools.lm_eval import TaskFile

CARD = "README.md"
PART = ".part"
"""Ending of a folder while it is fetched for the first time: half a data set is no copy."""
COMMIT_DIGITS = 40


@dataclass(frozen=True)
class DataSet:
    """A data set of the hub at a revision (None: the newest), or the named ones of its `files`.

    `folder` is where a copy lies below the folder of all copies; `tasks` read it.
    """

    hub: str
    revision: str | None
    folder: str
    files: tuple[str, ...] = ()
    tasks: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Copy:
    """What was fetched: all bytes of it, and those that are new. `licence` is what the data set's card says."""

    folder: Path
    commit: str
    licence: str | None
    size: int
    new: int


def data_sets(tasks: Sequence[str], every: Sequence[TaskFile]) -> tuple[list[DataSet], list[str]]:
    """What these tasks read from the hub, each data set once; and the tasks whose problems ship with us."""
    found: dict[DataSet, list[str]] = {}
    shipped = []
    for task in tasks:
        _, about = lm_eval.data(task, every)
        if "local" not in about:
            shipped.append(task)
            continue
        files = tuple(map(str, about.get("files") or ()))
        one = DataSet(str(about["dataset"]), about.get("dataset_revision"), str(about["local"]), files)
        found.setdefault(one, []).append(task)
    return [
        DataSet(one.hub, one.revision, one.folder, one.files, tuple(names)) for one, names in found.items()
    ], shipped


def source(recipe: Recipe) -> DataSet | None:
    """The data set with a recipe's problems; None where they are a file here, or there are none."""
    if recipe.source.hub is None or recipe.source.file is None:
        return None
    name, _, revision = recipe.source.hub.partition("@")
    return DataSet(name, revision or None, f"sources/{name.rpartition('/')[2]}", (recipe.source.file,))


def fetch(one: DataSet, to: Path) -> Copy:
    """Copy a data set into its folder below `to`; what is there already is not fetched again.

    Raises MissingInput when the hub does not give it: no network, no such data set or revision, no access.
    """
    import httpx
    import huggingface_hub

    home = to / one.folder
    into = home if home.is_dir() else home.with_name(home.name + PART)
    before = _sizes(home)
    try:
        commit = one.revision or ""
        if len(commit) != COMMIT_DIGITS:
            commit = huggingface_hub.HfApi().dataset_info(one.hub, revision=one.revision).sha or ""
        huggingface_hub.snapshot_download(
            one.hub,
            repo_type="dataset",
            revision=commit,
            local_dir=into,
            allow_patterns=[CARD, *one.files] if one.files else None,
        )
        into.rename(home)
    except huggingface_hub.errors.GatedRepoError as error:
        raise MissingInput(
            f"{one.hub} is gated: its terms must be accepted\n"
            "  accept them on its page of the hub with your account, then `hf auth login` or set HF_TOKEN, and fetch again"
        ) from error
    except (OSError, ValueError, httpx.HTTPError) as error:
        cause = str(error).strip().partition("\n")[0]
        raise MissingInput(
            f"{one.hub} (revision {one.revision or 'newest'}) is not to be had: {cause}"
            + (f"\n  the copy in {home} is as it was" if before else "")
        ) from error
    after = _sizes(home)
    new = sum(size for file, (size, time) in after.items() if before.get(file) != (size, time))
    return Copy(home, commit, _licence(home / CARD), sum(size for size, _ in after.values()), new)


def problems(task: str, every: Sequence[TaskFile], to: Path) -> int:
    """How many problems the task's own loader finds in the copies below `to`. Raises what the loader raises."""
    name, arguments = lm_eval.data(task, every)
    module, _, function = name.rpartition(".")
    splits = getattr(importlib.import_module(module), function)(**{**arguments, "mot_data_dir": str(to)})
    return sum(map(len, splits.values()))


def source_file(one: DataSet, to: Path) -> tuple[Path, int]:
    """The file of a recipe's source in its copy, and the number of its rows. Raises MotError when it cannot be read."""
    file = to / one.folder / one.files[0]
    return file, sum(1 for _ in read_rows(file))


def _sizes(home: Path) -> dict[Path, tuple[int, int]]:
    """The files of a copy with their sizes and times, without the hub's own notes on what it fetched."""
    files = (file for file in home.rglob("*") if file.is_file() and ".cache" not in file.relative_to(home).parts)
    return {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


def _licence(card: Path) -> str | None:
    """What the front matter of a data set's card says; a card without one, or a broken one, says nothing."""
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    front = text.removeprefix("---\n").partition("\n---")[0] if text.startswith("---\n") else ""
    about = None
    with suppress(yaml.YAMLError):
        about = yaml.safe_load(front)
    said = about.get("license") if isinstance(about, dict) else None
    return ", ".join(map(str, said)) if isinstance(said, list) else str(said) if said else None
