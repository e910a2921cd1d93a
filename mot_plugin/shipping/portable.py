"""A recipe as others can have it: no path of this computer, and the same science, down to every fingerprint.

What a relative path names stays where it is, beside the recipe. What lies elsewhere gets a place below `inputs/` that ends
in the same name, for names of files and folders stand in fingerprints and in what is made of them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from mot_plugin.recipe import Recipe


@dataclass(frozen=True)
class Portable:
    """The recipe's data; `places`: what each outside input (its link in the run folder) is called in it.

    `cut`: other values that were paths of this computer and of which only the last part is left, by their dotted keys.
    """

    data: dict[str, Any]
    places: dict[str, str]
    cut: tuple[str, ...]


def portable(recipe: Recipe, traces: dict[str, str]) -> Portable:
    """The recipe without this computer's paths. `traces`: teacher -> the link of its recorded traces."""
    data = recipe.model_dump(mode="json", exclude_unset=True)
    places: dict[str, str] = {}
    if recipe.student_folder:
        data["student"] = places["inputs/student"] = _place(recipe.student_folder, "student", folder=True)
    for name, teacher in recipe.teachers.items():
        entry = data["teachers"][name]
        if teacher.traces:
            entry["traces"] = places[traces[name]] = _place(teacher.traces, f"traces/{name}")
        elif teacher.run:
            entry["run"] = places[f"inputs/teachers/{name}"] = _place(teacher.run, f"teachers/{name}")
        elif teacher.local:
            entry["model"] = places[f"inputs/teachers/{name}"] = _place(
                str(teacher.model), f"teachers/{name}", folder=True
            )
    if recipe.source.file and not recipe.source.hub:
        data["source"]["file"] = places["inputs/source"] = _place(recipe.source.file, "source")
    for method in ("mot", "one_shot"):
        merge = (data["methods"].get(method) or {}).get("merge")
        if merge is not None:
            alone = isinstance(merge, str)
            # Rounds that a run stopped before have no merge.
            named = [merge] if alone else merge[: data["methods"][method]["rounds"]]
            moved = [_place(one, "mergekit") for one in named]
            data["methods"][method]["merge"] = moved[0] if alone else moved
    # As trainers read it, its keys have no order; a teacher's place is the merge's.
    data["sft"] = dict(sorted(data["sft"].items()))
    cut: list[str] = []
    shown = shorten(data, cut, keep=places.values())
    return Portable(shown, places, tuple(cut))


def text(data: dict[str, Any]) -> str:
    """The recipe as a file."""
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120))


def shorten(value: Any, cut: list[str], key: str = "", keep: Collection[str] = ()) -> Any:
    """The same data with every path of this computer cut to its last part; `cut` collects the dotted keys."""
    if isinstance(value, dict):
        return {name: shorten(inner, cut, f"{key}.{name}" if key else str(name), keep) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [shorten(inner, cut, f"{key}.{number}", keep) for number, inner in enumerate(value)]
    if isinstance(value, str) and value not in keep and _of_this_computer(value) and "\n" not in value:
        cut.append(key)
        return PurePosixPath(value).name
    return value


def _place(path: str, room: str, *, folder: bool = False) -> str:
    if not _of_this_computer(path):
        return path
    return ("./" if folder else "") + f"inputs/{room}/{PurePosixPath(path).name}"


def _of_this_computer(path: str) -> bool:
    return path.startswith(("/", "~")) or ".." in PurePosixPath(path).parts
