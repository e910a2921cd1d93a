"""Make a shipped student again from its provenance.json: what is the same here and what is not, and whether the bits are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mot_plugin
from mot_plugin import run as runs
from mot_plugin.errors import CheckFailed, FileError, MissingInput
from mot_plugin.folder import point
from mot_plugin.machine import Machine
from mot_plugin.processes import locate
from mot_plugin.run import Prepared
from mot_plugin.shipment import SHIP, place_of
from mot_plugin.shipping import provenance, versions
from mot_plugin.shipping.provenance import Provenance
from mot_plugin.shipping.ship import commit
from mot_plugin.step import MISSING
from mot_plugin.tools.call import Call, Command
from mot_plugin.views import View

_LAST = ("ship", "report")


@dataclass(frozen=True)
class Compared:
    """What differs here from what was recorded, a sentence each; `pip` installs the recorded packages."""

    files: list[str]
    versions: list[str]
    pip: list[str]
    places: list[str]
    inputs: list[str]
    absent: bool
    """Whether one of the inputs is not there at all."""
    steps: list[str]
    following: int
    asked: list[str]
    """Teachers that are asked again."""


def lay_out(found: Provenance, to: Path, inputs: Path | None) -> Path:
    """Write the recipe and what it needs into `to`, link inputs that lie below `inputs`. Raises FileError; overwrites nothing."""
    recipe = to / f"{found.recipe_name}.yaml"
    head = f"# from the {provenance.FILE} of a student that mot-plugin {found.made_by.get('mot-plugin')} made\n"
    texts = {recipe: head + found.recipe, **{to / name: text for name, text in found.mergekit.items()}}
    other = [str(file) for file, text in texts.items() if file.exists() and file.read_text(encoding="utf-8") != text]
    if other:
        raise FileError(
            f"{', '.join(other)}: already there, and not the same; nothing was written (choose another --to)"
        )
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for one in found.inputs if inputs else ():
        lying = [inputs / one.path, inputs / Path(one.path).name] if inputs else []
        there = next((place for place in lying if place.exists()), None)
        if there is not None and not (to / one.path).exists():
            point(to / one.path, there)
    return recipe


def prepare(recipe: Path, machine: Machine) -> Prepared:
    """Plan it with a store of its own: what lies in another one would only be looked up, and prove nothing."""
    storage = machine.storage.model_copy(update={"runs": str(recipe.parent / "runs"), "store": None})
    return runs.prepare(recipe, machine.model_copy(update={"storage": storage}))


def compare(found: Provenance, beside: Path, ready: Prepared) -> Compared:
    """Everything that was recorded against this computer. `beside`: the folder that the provenance came with."""
    pip: list[str] = []
    named = list(_versions(found, ready.machine, pip))
    steps, following = _steps(found, ready)
    return Compared(
        # Alone in a folder, it was sent without the student.
        files=provenance.differing(beside, found.files)
        if any((beside / name).exists() for name in found.files)
        else [],
        versions=named,
        pip=pip,
        places=[*_hardware(found), *_machine(found, ready.machine)],
        inputs=list(_inputs(found, ready)),
        absent=any(ready.gathered.digests.get(one.name, MISSING) == MISSING for one in found.inputs),
        steps=steps,
        following=following,
        asked=[name for name, teacher in ready.recipe.teachers.items() if teacher.live],
    )


def remake(found: Provenance, ready: Prepared, view: View) -> list[str]:
    """Run it, and say which shipped files have other bytes than recorded. Raises MotError where it cannot be run."""
    recipe = ready.folder.root.parent.parent / f"{found.recipe_name}.yaml"
    folder = runs.run(recipe, ready.machine, view)
    return provenance.differing(folder.root / "artifacts" / SHIP, found.files)


def _versions(found: Provenance, machine: Machine, pip: list[str]) -> Iterator[str]:
    mine = {"mot-plugin": mot_plugin.__version__, "commit": commit()}
    for what, made_by in found.made_by.items():
        if made_by != mine.get(what):
            name = "mot-plugin" if what == "mot-plugin" else "mot-plugin at commit"
            yield f"made by {name} {made_by or 'unknown'}, here is {mine.get(what) or 'unknown'}"
    used: dict[tuple[str, str], None] = {}
    for step in found.plan.values():
        used |= dict.fromkeys(step.tools.items())
    said: dict[str, list[str]] = {}
    for tool, key in used:
        was = found.environments[key]
        call = Call((Command(tool, ()),), (), ())
        here = versions.of_call(call, machine, "mot-plugin", locate, {})[tool]
        if not here:
            said.setdefault("what it runs in cannot be told here", []).append(tool)
        for name in sorted(was.keys() | here.keys() if here else ()):
            if was.get(name) != here.get(name):
                words = f"{name} {was.get(name, 'absent')}, here {here.get(name, 'absent')}"
                said.setdefault(words, []).append(tool)
                if name in was and name not in ("python", "mot-plugin"):
                    pip.append(f"{name}=={was[name]}")
    yield from (f"{', '.join(tools)}: {words}" for words, tools in said.items())
    pip[:] = list(dict.fromkeys(pip))


def _hardware(found: Provenance) -> Iterator[str]:
    here = versions.hardware()
    for where in found.hardware.values():
        for name in sorted(where.keys() | here.keys()):
            if where.get(name) != here.get(name):
                yield f"{name}: {where.get(name, 'none')}, here {here.get(name, 'none')}"


def _machine(found: Provenance, machine: Machine) -> Iterator[str]:
    was, here = _flat(found.machine), _flat(place_of(machine))
    for name in sorted(was.keys() | here.keys()):
        if was.get(name) != here.get(name):
            yield f"{name}: {was.get(name)}, here {here.get(name)}"


def _flat(value: object, key: str = "") -> dict[str, object]:
    if isinstance(value, dict) and value:
        return {
            name: inner for k, v in value.items() for name, inner in _flat(v, f"{key}.{k}" if key else str(k)).items()
        }
    return {key: value}


def _inputs(found: Provenance, ready: Prepared) -> Iterator[str]:
    for one in found.inputs:
        now = ready.gathered.digests.get(one.name, MISSING)
        if now == MISSING:
            yield f"{one.path} ({one.what}): not there; its digest must be {one.digest}"
        elif now != one.digest:
            yield f"{one.path} ({one.what}): has digest {now}, recorded is {one.digest}"


def _steps(found: Provenance, ready: Prepared) -> tuple[list[str], int]:
    """The steps that differ for a reason of their own, with it; how many more only follow from those."""
    plan, said, following = ready.plan, list[str](), 0
    other = {name for name, step in found.plan.items() if plan.prints.get(name) != step.fingerprint}
    for name, step in found.plan.items():
        if name not in plan.prints:
            said.append(f"{name}: is not in the plan here")
        elif name in other:
            now = plan.parts[name]
            changed = [part for part in {**step.parts, **now} if step.parts.get(part) != now.get(part)]
            own = [part for part in changed if part.removeprefix("step ") not in other]
            if step.kind in _LAST and any(found.plan[one].kind not in _LAST for one in other if one in found.plan):
                own = []  # they repeat what is known of the others
            following += not own
            said += [f"{name}: {', '.join(own)}"] if own else []
    return said + [f"{name}: was not in the recorded plan" for name in plan.prints if name not in found.plan], following


def refuse(found: Provenance, compared: Compared) -> None:
    """Raises MissingInput or CheckFailed where what would run is another experiment than the recorded one."""
    if compared.inputs or compared.steps:
        raise (MissingInput if compared.absent else CheckFailed)(
            f"this is not the recorded experiment of {found.recipe_name}: see inputs and plan above\n"
            "Put the recorded inputs there (--inputs FOLDER), install the recorded mot-plugin and tools;\n"
            "or run the recipe as it is here with `mot-plugin run`, and get another student."
        )
