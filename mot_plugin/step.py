"""Step and Plan: frozen data. A step is its commands, files and needs; its fingerprint is their hash."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mot_plugin.tools.call import Call

Method = Literal["base", "STD", "MTD", "MoT", "one-shot", "STD-matched", "MTD-matched", "data", "report"]
Retention = Literal["result", "kept", "temporary"]
MISSING = "missing"
"""Digest of an outside input that is not there (yet): the plan can be read, but not run."""


@dataclass(frozen=True)
class Step:
    """One piece of work. `name` is its folder below artifacts/, its log and its config path."""

    name: str
    kind: str
    method: Method
    call: Call
    needs: tuple[str, ...] = ()
    gpus: int = 0
    inputs: tuple[str, ...] = ()
    """Outside inputs by name; their content enters the fingerprint."""
    weights: Retention = "kept"
    """result: what the run is for. kept: not deleted. temporary: deleted once no step that has to run reads them."""
    teacher: str | None = None
    round: int | None = None
    at: int | None = None
    """Optimizer steps of the evaluated checkpoint, or of the training."""
    purpose: Literal["main", "general", "probe"] = "main"
    """What a model is evaluated for (report/scores.py)."""
    nodes: int = 1
    """Nodes that its `spread` commands run on, with `gpus` GPUs on each."""
    share: float | None = None
    """The weight of the base in a model that is a mixture with it."""


@dataclass(frozen=True)
class Plan:
    """Steps in running order. `prints` are their fingerprints, `parts` what went into each, for saying what changed."""

    recipe: str
    steps: tuple[Step, ...]
    links: Mapping[str, str]
    """Path in the run folder -> the outside file or folder that it links to."""
    prints: Mapping[str, str]
    parts: Mapping[str, Mapping[str, str]]

    def __getitem__(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    def readers(self, name: str) -> list[Step]:
        """The steps that need this one whole. A report reads only small files, which stay when weights are deleted."""
        return [step for step in self.steps if name in step.needs and step.kind != "report"]


def arrange(recipe: str, steps: Iterable[Step], links: Mapping[str, str], digests: Mapping[str, str]) -> Plan:
    """Check names and order and compute every fingerprint. Raises ValueError for a plan that cannot run in order."""
    ordered = tuple(steps)
    prints: dict[str, str] = {}
    parts: dict[str, Mapping[str, str]] = {}
    for step in ordered:
        if step.name in prints:
            raise ValueError(f"two steps are called {step.name}")
        late = [need for need in step.needs if need not in prints]
        if late:
            raise ValueError(f"{step.name} needs {', '.join(late)}, which does not come before it")
        parts[step.name] = _parts(step, prints, digests)
        prints[step.name] = digest(parts[step.name])
    return Plan(recipe, ordered, dict(links), prints, parts)


def digest(value: Any) -> str:
    """20 hexadecimal digits of SHA-256 over canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:20]


def _parts(step: Step, prints: Mapping[str, str], digests: Mapping[str, str]) -> dict[str, str]:
    commands = [list(command.stands_for or (command.tool, *command.args)) for command in step.call.commands]
    files = [file for file in step.call.files if file.identity != ""]
    return {
        "its commands": digest([commands, step.call.outputs, step.call.discard]),
        **{file.path: digest(file.text if file.identity is None else file.identity) for file in files},
        **{name: digests[name] for name in step.inputs},
        **{f"step {need}": prints[need] for need in step.needs},
    }
