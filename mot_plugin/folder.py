"""The run folder: what is written before anything starts, and where everything lies in it."""

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mot_plugin import sharing
from mot_plugin.errors import FileError
from mot_plugin.machine import Machine
from mot_plugin.step import Plan, Step
from mot_plugin.store import Store, replace_text

_PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)


@dataclass(frozen=True)
class Folder:
    """One run on disk."""

    root: Path

    def plan(self) -> Plan:
        """The frozen plan. Raises FileError if this is not a run folder, or not one of this version."""
        try:
            return _PLAN.validate_json((self.root / "plan.json").read_bytes())
        except FileNotFoundError:
            raise FileError(
                f"{self.root} is not a run folder: it has no plan.json (start one with `mot-plugin run RECIPE`)"
            ) from None
        except ValidationError:
            raise FileError(
                f"{self.root / 'plan.json'} was not written by this version: run the recipe once more"
            ) from None

    def machine(self) -> Machine:
        """The machine that the run was started for."""
        return Machine.model_validate_json((self.root / "machine.json").read_bytes(), strict=False)

    def parts(self) -> Mapping[str, Mapping[str, str]]:
        """Fingerprint parts of the last plan, to say what changed since; empty before the first."""
        try:
            return self.plan().parts
        except FileError:
            return {}

    def neighbours(self) -> Iterator[Plan]:
        """The plans of the other runs beside this one and of all that its store knows; they may share its artifacts."""
        us = self.root.resolve()
        known = {us}
        for run, plan in sharing.registered(self.store()):
            if run not in known:
                known.add(run)
                with suppress(ValidationError):  # of another version
                    yield _PLAN.validate_python(plan)
        for file in sorted(us.parent.glob("*/plan.json")):  # begun by a version that did not register
            if file.parent not in known:
                with suppress(FileError):
                    yield Folder(file.parent).plan()

    def store(self) -> Store:
        """Where this run's artifacts lie."""
        return store_of(self.machine(), self.root.parent)

    @property
    def claim(self) -> Path:
        """Whoever holds this claim runs the recipe (claims.py)."""
        return self.root / ".claim"

    def log(self, step: str) -> Path:
        """The last log of a step."""
        return self.root / "logs" / f"{step}.log"

    def work(self, step: str) -> Path:
        """Where a step writes while it runs."""
        return self.root / "work" / step

    def prepare(self, plan: Plan, machine: Machine, recipe: Path) -> None:
        """Write everything that the steps read: recipe, machine, configs, tasks, links; plan.json last.

        What is right already is not touched: jobs of an earlier `run` of the same plan may be reading it.
        """
        replace_text(self.root / "recipe.yaml", recipe.read_text(encoding="utf-8"))
        replace_text(self.root / "machine.json", machine.model_dump_json(indent=1) + "\n")
        for link, target in plan.links.items():
            point(self.root / link, Path(target))
        self._forget(plan, store_of(machine, self.root.parent))
        write_files(plan, self.root)
        text = _PLAN.dump_json(plan, indent=1).decode() + "\n"
        replace_text(self.root / "plan.json", text)
        sharing.register(store_of(machine, self.root.parent), self.root.resolve(), text)

    def _forget(self, plan: Plan, store: Store) -> None:
        """Take away what another plan left: a step that has to run must not show what an earlier recipe made of it."""
        wanted = {self.root / file.path for step in plan.steps for file in step.call.files}
        for room in ("configs", "eval"):
            for file in (self.root / room).rglob("*"):
                if file.is_file() and file not in wanted:
                    file.unlink()
        artifacts = self.root / "artifacts"
        made = {artifacts / name: store.out(print_) for name, print_ in plan.prints.items()}
        for link in artifacts.rglob("*"):
            if link.is_symlink() and (link not in made or link.readlink() != _seen_from(link, made[link])):
                link.unlink()

    def link(self, plan: Plan, step: Step, store: Store) -> None:
        """Let `artifacts/<step>` show the artifact of this plan's fingerprint."""
        point(self.root / "artifacts" / step.name, store.out(plan.prints[step.name]))
        if step.kind == "select" and step.weights == "result" and step.method == "MoT":
            point(self.root / "student", self.root / "artifacts" / step.name / "model")
        if step.kind == "ship":  # comes later in a plan, so it takes the place of the bare model
            point(self.root / "student", self.root / "artifacts" / step.name)


def store_of(machine: Machine, runs: Path) -> Store:
    """The store of a machine, or `.store` beside the runs."""
    return Store(Path(machine.storage.store).resolve() if machine.storage.store else runs.resolve() / ".store")


def write_files(plan: Plan, root: Path) -> list[Path]:
    """Every file of every step below `root`: what `plan --out` shows is what `run` reads."""
    written: dict[Path, str] = {}
    for step in plan.steps:
        for file in step.call.files:
            written[root / file.path] = file.text
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.is_file() and path.read_text(encoding="utf-8") == text):
            replace_text(path, text)
    return sorted(written)


def point(link: Path, target: Path) -> None:
    """Make `link` a relative symbolic link to `target`, replacing what was there in one act."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    relative = _seen_from(link, target)
    part = link.with_name(f".{link.name}.{uuid.uuid4().hex}")  # process numbers repeat on other computers
    part.symlink_to(relative)
    part.replace(link)


def _seen_from(link: Path, target: Path) -> Path:
    return Path(os.path.relpath(os.path.abspath(target), link.parent.resolve()))  # noqa: PTH100
