"""Step `diagnose`: what a merge did, per tensor, per layer and per kind of module, in bounded memory.

With u_k = branch_k - start, the update of teacher k, all over the elements of a tensor or a group of tensors:

| name             | formula                                                     | says                                       |
| norm             | |u_k|                                                       | how far a branch went                      |
| moved            | share of elements with u_k != 0                             | what its bfloat16 save could hold          |
| cosine           | u_i.u_j / (|u_i| |u_j|)                                     | whether two teachers pull the same way     |
| mean_cosine      | mean of `cosine` over the pairs                             | the same in one number                     |
| leave_one_out    | cosine of u_k and the mean of the other updates             | how much one teacher goes with the others  |
| sign_agreement   | share of pairs of non-zero updates of an element with equal | 0.5 is chance, 1 is unison                 |
|                  | sign, over all elements                                     |                                            |
| consensus        | |mean_k u_k| / mean_k |u_k|                                 | 1: the merge keeps all; 1/sqrt(K): the     |
|                  |                                                             | updates are unrelated; 0: they cancel      |
| merged_moved     | share of elements with merged != start                      | what the merged model's dtype could hold   |
| carried          | (merged - start).m / m.m, m = mean_k u_k                    | the part of the mean update that arrived   |
| step             | |merged - start|                                            | how far the round went                     |
| drift            | |merged - base| / |base|                                    | how far all rounds went, relatively        |

None stands where a norm is 0.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.errors import CheckFailed
from mot_plugin.merging import heatmap
from mot_plugin.merging.layout import some
from mot_plugin.merging.sums import Sums
from mot_plugin.merging.weights import Checkpoint, open_checkpoint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 2**17
"""Elements looked at in one go: 1 MB as float64, per branch and thread."""

THREADS = 4

_LAYER = re.compile(r"\.layers\.(\d+)\.(.+)$")
_EXPERT = re.compile(r"\.experts\.\d+\.")
Place = tuple[int | None, str]
"""Layer, or None outside the layers, and kind of module."""


class Config(BaseModel):
    """`branches` by teacher, all trained from `start` and merged into `merged`; `base` is the student before round 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: str
    branches: dict[str, str] = Field(min_length=1)
    merged: str
    base: str
    round: int = Field(ge=1)
    out: str
    format: int = 1


def run(config: Config, block: int = BLOCK) -> None:
    """Write diagnostics.json, diagnostics.csv and diagnostics.svg into `out`, looking at `block` elements at a time."""
    branches = {name: open_checkpoint(path) for name, path in config.branches.items()}
    others = [open_checkpoint(path) for path in (config.merged, config.base)]
    found = measure(open_checkpoint(config.start), list(branches.values()), *others, block=block)
    report = summary(found, list(branches), config.round)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "diagnostics.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _write_csv(out / "diagnostics.csv", report)
    (out / "diagnostics.svg").write_text(heatmap.draw(report), encoding="utf-8")
    whole = report["all"]
    said = ", ".join(
        f"{key} {whole[key]:.3g}" for key in ("consensus", "mean_cosine", "drift") if whole[key] is not None
    )
    sys.stdout.write(f"{out}: round {config.round}, {len(found)} tensors of {len(branches)} branches; {said}\n")


def measure(
    start: Checkpoint, branches: Sequence[Checkpoint], merged: Checkpoint, base: Checkpoint, *, block: int = BLOCK
) -> dict[str, Sums]:
    """The sums of every tensor of `start`, the experts of a layer as one.

    Raises CheckFailed where another model lacks a tensor or has it in another shape.
    """
    for model in (*branches, merged, base):
        odd = [
            name
            for name, info in start.tensors.items()
            if name not in model.tensors or model.tensors[name].shape != info.shape
        ]
        if odd:
            raise CheckFailed(f"{model.folder} has not the tensors of {start.folder}: {some(odd)}")
    found: dict[str, Sums] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        every = pool.map(lambda name: _tensor(name, start, branches, (merged, base), block), start.tensors)
        for name, sums in zip(start.tensors, every, strict=True):  # in order, so that the same sums come out each time
            key = _EXPERT.sub(".experts.", name)
            found[key] = found[key] + sums if key in found else sums
    return found


def _tensor(
    name: str, start: Checkpoint, branches: Sequence[Checkpoint], others: tuple[Checkpoint, Checkpoint], block: int
) -> Sums:
    import numpy as np

    merged, base = others
    sums, size = Sums.empty(len(branches)), start.tensors[name].size
    for begin in range(0, size, block):
        end = min(begin + block, size)

        def wide(model: Checkpoint, begin: int = begin, end: int = end) -> NDArray[np.float64]:
            return model.float32(name, begin, end).astype(np.float64)

        origin = wide(start)
        updates = np.stack([wide(branch) for branch in branches])
        updates -= origin
        after, before = wide(merged), wide(base)
        sums += Sums.of(updates, after - origin, after - before, before)
    return sums


def place(name: str) -> Place:
    """Layer and kind of module of a tensor: `model.layers.3.mlp.up_proj.weight` is (3, mlp.up_proj)."""
    found = _LAYER.search(name)
    kind = found.group(2) if found else name.removeprefix("model.")
    return (int(found.group(1)) if found else None), kind.removesuffix(".weight")


def summary(found: Mapping[str, Sums], teachers: Sequence[str], number: int) -> dict[str, Any]:
    """Everything that is written: groups of tensors first, then the tensors."""
    places = {name: place(name) for name in found}

    def group(keys: Mapping[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
        for key in dict.fromkeys(keys.values()):
            sums = Sums.empty(len(teachers))
            for name, own in keys.items():
                if own == key:
                    sums += found[name]
            yield key, sums.numbers(teachers)

    def order(item: tuple[Any, Any]) -> tuple[float, str]:
        layer, kind = item[0]
        return (math.inf if layer is None else layer), kind

    layers = {name: layer for name, (layer, _) in places.items() if layer is not None}
    ((_, whole),) = group(dict.fromkeys(found, "all"))
    return {
        "round": number,
        "teachers": list(teachers),
        "all": whole,
        "layers": {str(layer): numbers for layer, numbers in sorted(group(layers))},
        "modules": dict(sorted(group({name: kind for name, (_, kind) in places.items()}))),
        "cells": [
            {"layer": layer, "module": kind, **numbers} for (layer, kind), numbers in sorted(group(places), key=order)
        ],
        "tensors": {name: sums.numbers(teachers) for name, sums in found.items()},
    }


def _write_csv(path: Path, report: Mapping[str, Any]) -> None:
    """One row per tensor and per group; numbers of one teacher or of a pair in columns like `norm:qwq`."""
    rows: list[dict[str, Any]] = [{"scope": "all", "name": "", "layer": None, "module": "", **_flat(report["all"])}]
    for scope in ("layers", "modules", "tensors"):
        for name, numbers in report[scope].items():
            layer, kind = place(name) if scope == "tensors" else (name, "") if scope == "layers" else (None, name)
            row = {"scope": scope[:-1], "name": name, "layer": layer, "module": kind}
            rows.append(row | _flat(numbers))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _flat(numbers: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in numbers.items():
        flat |= {f"{key}:{of}": part for of, part in value.items()} if isinstance(value, dict) else {key: value}
    return flat
