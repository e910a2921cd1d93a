"""The scorers by the name that a task gives its own in metadata.scorer: modules with `hits` and `metrics`."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from mot_plugin.errors import FileError
from mot_plugin.evals.logged import STORED

SCORERS = {
    "integer": "mot_plugin.evals.integer",
    "choice": "mot_plugin.evals.choice",
    "ifeval": "mot_plugin.evals.ifeval",
    "simpleqa": "mot_plugin.evals.simpleqa",
    "livecodebench": "mot_plugin.evals.code.livecodebench",
    "exact": "mot_plugin.evals.exact",
    "phybench": "mot_plugin.evals.phybench.scorer",
}
"""Imported when a task needs one: each may need packages that the others do not."""


class Scorer(Protocol):
    """How the raw answers to one problem are judged: a share of 0..1 each, and the metrics of the problem."""

    def hits(self, doc: Mapping[str, Any], texts: Sequence[str], /) -> Sequence[float]:
        """One share per answer."""

    def metrics(self, doc: Mapping[str, Any], texts: Sequence[str], /) -> dict[str, float]:
        """The problem's metrics by name, `score` first."""


def scorer(task: str, config: Mapping[str, Any]) -> Scorer:
    """The scorer of a task, by lm-eval's config of it. Raises FileError where it names none of ours."""
    name = (config.get("metadata") or {}).get("scorer")
    if name not in SCORERS:
        raise FileError(
            f"{task}: its metadata has `scorer: {name}`, so its answers cannot be scored again\n"
            f"  use a task from eval/, or write one with one of these scorers: {', '.join(sorted(SCORERS))}"
        )
    return cast(Scorer, importlib.import_module(SCORERS[name]))


def asked(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample's problem as a scorer wants it: with what the scorer noted when it judged the sample first."""
    noted = {STORED: sample[STORED]} if STORED in sample else {}
    return {**sample["doc"], **noted}
