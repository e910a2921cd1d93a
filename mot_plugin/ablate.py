"""ablate: one recipe into several that differ in one thing each. They are real recipes on disk; what they share is run once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin import editing, materials, strict
from mot_plugin import recipe as recipes
from mot_plugin.editing import ABSENT
from mot_plugin.errors import FileError
from mot_plugin.recipe import Recipe
from mot_plugin.recipe.methods import Methods

Change = tuple[editing.Path, Any]


@dataclass(frozen=True)
class Sweep:
    """What to vary, one thing at a time: every value makes one recipe."""

    merges: Sequence[str] = ()
    without: Sequence[str] = ()
    """Teachers to leave out, each in a recipe of its own."""
    keep: Sequence[str] = ()
    """Teachers to keep, together in one recipe."""
    rounds: Sequence[int] = ()
    steps: Sequence[int] = ()
    """Optimizer steps of a branch in a round."""
    seeds: Sequence[int] = ()
    until: str | None = None
    one_shot: bool = False
    matched: bool = False
    methods: Sequence[str] = ()
    """Leave out all other methods, and what is measured on them; all stay if none is named."""

    @property
    def of_mot(self) -> bool:
        """Whether it varies something that only MoT has."""
        return bool(self.merges or self.rounds or self.steps or self.until or self.matched)


@dataclass(frozen=True)
class Variant:
    """One recipe: the end of its name, what differs in words, and the keys that do."""

    suffix: str
    what: str
    changes: tuple[Change, ...]


def write(path: Path, sweep: Sweep) -> list[Path]:
    """Write the variants beside the recipe, where its relative paths hold. Raises FileError; what is there is not overwritten."""
    recipe = recipes.load(path)
    _refuse(path, recipe, sweep)
    text = path.read_text(encoding="utf-8")
    made: dict[Path, str] = {}
    for variant in variants(recipe, sweep):
        head = f"# {path.stem} with {variant.what}, made by `mot-plugin ablate`; run it with `mot-plugin run`\n"
        changes = [(("name",), f"{recipe.name}-{variant.suffix}"), *variant.changes, *_left_out(recipe, sweep.methods)]
        title, _, rest = text.partition("\n")
        changed = editing.edit(rest if title.startswith("#") else text, changes)
        made[path.with_name(f"{path.stem}-{variant.suffix}.yaml")] = head + changed
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


def variants(recipe: Recipe, sweep: Sweep) -> Iterator[Variant]:
    """Every recipe that a sweep asks for, the cheap ones first."""
    methods = recipe.methods
    if sweep.one_shot:
        yield Variant(
            "one-shot", "one merge of the finished STD trainings", _set("methods", "one_shot", {"merge": "linear"})
        )
    if sweep.matched and methods.mot:
        whole = methods.mtd or methods.std
        every = whole.save_steps if whole else len(recipe.teachers) * methods.mot.steps
        wanted = {"of": ["mtd"], "save_steps": every}
        yield Variant("matched", "as many optimizer steps for MTD as for MoT", _set("methods", "matched", wanted))
    for merge in sweep.merges:
        yield Variant(Path(merge).stem.replace("_", "-"), f"merge: {merge}", _set("methods", "mot", "merge", merge))
    for teacher in sweep.without:
        yield Variant(f"no-{teacher}", f"teacher {teacher} left out", tuple(_without(recipe, [teacher])))
    if sweep.keep:
        gone = [name for name in recipe.teachers if name not in sweep.keep]
        yield Variant(
            f"only-{'-'.join(sweep.keep)}", f"no teachers but {', '.join(sweep.keep)}", tuple(_without(recipe, gone))
        )
    for name, counts in (("rounds", sweep.rounds), ("steps", sweep.steps)):
        for count in counts:
            yield Variant(f"{count}-{name}", f"{name}: {count}", _set("methods", "mot", name, count))
    if sweep.until:
        said = sweep.until.replace("_", "-")
        yield Variant(f"until-{said}", f"until: {sweep.until}", _set("methods", "mot", "until", sweep.until))
    for seed in sweep.seeds:
        if seed != recipe.seed:
            yield Variant(f"seed-{seed}", f"seed: {seed}", _set("seed", seed))


def _set(*words: Any) -> tuple[Change, ...]:
    *path, value = words
    return ((tuple(path), value),)


def _without(recipe: Recipe, teachers: Sequence[str]) -> Iterator[Change]:
    for teacher in teachers:
        yield ("teachers", teacher), ABSENT
        if recipe.methods.mot and teacher in recipe.methods.mot.weights:
            yield ("methods", "mot", "weights", teacher), ABSENT


def _left_out(recipe: Recipe, methods: Sequence[str]) -> Iterator[Change]:
    """Every method that is there and not wanted; with it goes what was to be measured on the selected models."""
    if methods:
        for name in Methods.model_fields:
            if name not in methods and getattr(recipe.methods, name) is not None:
                yield ("methods", name), ABSENT
        for block in ("general", "probe"):
            if getattr(recipe, block) is not None:
                yield (block,), ABSENT


def _refuse(path: Path, recipe: Recipe, sweep: Sweep) -> None:
    """What no variant of this recipe can be."""
    if recipe.methods.mot is None and sweep.of_mot:
        raise FileError(f"{path} has no methods.mot to vary")
    if recipe.methods.std is None and sweep.one_shot:
        raise FileError(f"{path} has no methods.std, whose trainings one_shot would merge")
    for what, names, known in (
        ("teacher", [*sweep.without, *sweep.keep], list(recipe.teachers)),
        ("method", sweep.methods, [n for n in Methods.model_fields if getattr(recipe.methods, n) is not None]),
    ):
        unknown = [name for name in names if name not in known]
        if unknown:
            hint = strict.suggest(unknown[0], known) or f"; it has {', '.join(known)}"
            raise FileError(f"{path} has no {what} {unknown[0]!r}{hint}")
