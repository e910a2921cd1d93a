"""ablate: one recipe into several that differ in one thing each. They are real recipes on disk; what they share is run once."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mot_plugin import materials, strict
from mot_plugin import recipe as recipes
from mot_plugin.errors import FileError


@dataclass(frozen=True)
class Sweep:
    """What to vary, one thing at a time: every value makes one recipe."""

    merges: Sequence[str] = ()
    without: Sequence[str] = ()
    """Teachers to leave out, each in a recipe of its own."""
    rounds: Sequence[int] = ()


def write(path: Path, sweep: Sweep) -> list[Path]:
    """Write the variants beside the recipe, where its relative paths hold. Raises FileError; what is there is not overwritten."""
    recipe = recipes.load(path)
    if recipe.methods.mot is None and (sweep.merges or sweep.rounds):
        raise FileError(f"{path} has no methods.mot to vary")
    unknown = [name for name in sweep.without if name not in recipe.teachers]
    if unknown:
        hint = strict.suggest(unknown[0], recipe.teachers) or f"; it has {', '.join(recipe.teachers)}"
        raise FileError(f"{path} has no teacher {unknown[0]!r}{hint}")
    made: dict[Path, str] = {}
    for suffix, what, data in _variants(strict.read(path).data, sweep):
        data["name"] = f"{recipe.name}-{suffix}"
        head = f"# {path.stem} with {what}, made by `mot-plugin ablate`; run it with `mot-plugin run`\n"
        made[path.with_name(f"{path.stem}-{suffix}.yaml")] = head + yaml.safe_dump(
            data, sort_keys=False, allow_unicode=True
        )
    other = [file for file, text in made.items() if file.exists() and file.read_text(encoding="utf-8") != text]
    if other:
        raise FileError(f"{', '.join(map(str, other))}: already there, and not the same; nothing was written")
    for merge in sweep.merges:
        materials.merge_text(merge, path.parent)
    for file, text in made.items():
        recipes.check(strict.parse(text, str(file)))
    for file, text in made.items():
        file.write_text(text, encoding="utf-8")
    return list(made)


def _variants(data: Mapping[str, Any], sweep: Sweep) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(suffix of the name, what differs, the recipe's data)."""
    for merge in sweep.merges:
        changed = copy.deepcopy(dict(data))
        changed["methods"]["mot"]["merge"] = merge
        yield Path(merge).stem.replace("_", "-"), f"merge: {merge}", changed
    for teacher in sweep.without:
        changed = copy.deepcopy(dict(data))
        del changed["teachers"][teacher]
        (changed["methods"].get("mot") or {}).get("weights", {}).pop(teacher, None)
        yield f"no-{teacher}", f"teacher {teacher} left out", changed
    for count in sweep.rounds:
        changed = copy.deepcopy(dict(data))
        changed["methods"]["mot"]["rounds"] = count
        yield f"{count}-rounds", f"rounds: {count}", changed
