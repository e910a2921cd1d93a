"""Diagnostics against plain float64 numpy on whole tensors, what they may not depend on, and the files they leave."""

import csv
import itertools
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tiny_models import Tensors, write_model

from mot_plugin.errors import CheckFailed
from mot_plugin.merging import heatmap
from mot_plugin.merging.diagnose import Config, place, run
from mot_plugin.merging.sums import Sums
from mot_plugin.merging.weights import from_bfloat16, to_bfloat16

SHAPES = {
    "model.embed_tokens.weight": (40, 8),
    "model.norm.weight": (8,),
    **{
        f"model.layers.{layer}.{kind}": shape
        for layer in range(3)
        for kind, shape in (("self_attn.q_proj.weight", (8, 8)), ("mlp.up_proj.weight", (16, 8)))
    },
}
TEACHERS = ("one", "two", "three")
Wide = dict[str, np.ndarray]
Prepare = Callable[..., Config]


def drawn(seed: int, size: float) -> Wide:
    draw = np.random.default_rng(seed)
    return {name: draw.normal(0, size, shape) for name, shape in SHAPES.items()}


def stored(tensors: Wide) -> Tensors:
    return {name: to_bfloat16(values.astype(np.float32)) for name, values in tensors.items()}


def models() -> dict[str, Tensors]:
    """start, base, three branches that share half of their updates, and their mean, in bfloat16."""
    start, shared = drawn(0, 0.1), drawn(1, 0.001)
    found = {"start": start, "base": {name: values + drawn(2, 0.002)[name] for name, values in start.items()}}
    for seed, teacher in enumerate(TEACHERS, 3):
        own = drawn(seed, 0.001)
        found[teacher] = {name: start[name] + shared[name] + own[name] for name in SHAPES}
    rounded = {name: stored(tensors) for name, tensors in found.items()}
    wide = {name: {key: from_bfloat16(value) for key, value in tensors.items()} for name, tensors in rounded.items()}
    mean = {name: np.mean([wide[teacher][name] for teacher in TEACHERS], axis=0) for name in SHAPES}
    return rounded | {"merged": stored(mean)}


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    def make(**changed: Tensors) -> Config:
        paths = {name: str(write_model(tmp_path / name, tensors)) for name, tensors in (models() | changed).items()}
        branches = {teacher: paths[teacher] for teacher in TEACHERS}
        more = {name: paths[name] for name in ("start", "merged", "base")}
        return Config(branches=branches, round=2, out=str(tmp_path / "out"), **more)

    return make


def direct(names: list[str]) -> dict[str, Any]:
    """The table of `diagnose`, term by term, on all elements of some tensors at once."""
    flat = {
        model: np.concatenate([from_bfloat16(tensors[name]).astype(np.float64).ravel() for name in names])
        for model, tensors in models().items()
    }
    updates = {teacher: flat[teacher] - flat["start"] for teacher in TEACHERS}
    mean = np.mean(list(updates.values()), axis=0)
    norm = np.linalg.norm

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ other / (norm(one) * norm(other)))

    pairs = list(itertools.combinations(TEACHERS, 2))
    equal = both = 0
    for one, other in pairs:
        products = np.sign(updates[one]) * np.sign(updates[other])
        equal, both = equal + int((products > 0).sum()), both + int((products != 0).sum())
    step = flat["merged"] - flat["start"]
    return {
        "elements": mean.size,
        "norm": {teacher: norm(update) for teacher, update in updates.items()},
        "moved": {teacher: np.mean(flat[teacher] != flat["start"]) for teacher in TEACHERS},
        "cosine": {f"{one}|{other}": cosine(updates[one], updates[other]) for one, other in pairs},
        "mean_cosine": np.mean([cosine(updates[one], updates[other]) for one, other in pairs]),
        "leave_one_out": {
            teacher: cosine(updates[teacher], np.mean([updates[t] for t in TEACHERS if t != teacher], axis=0))
            for teacher in TEACHERS
        },
        "sign_agreement": equal / both,
        "consensus": norm(mean) / np.mean([norm(update) for update in updates.values()]),
        "merged_moved": np.mean(step != 0),
        "carried": step @ mean / (mean @ mean),
        "step": norm(step),
        "drift": norm(flat["merged"] - flat["base"]) / norm(flat["base"]),
    }


def close(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-9, abs=1e-12), key


def test_every_number_of_every_group(prepare: Prepare) -> None:
    config = prepare()
    run(config, block=48)  # several blocks a tensor, the last one short
    report = json.loads((Path(config.out) / "diagnostics.json").read_text())
    assert (report["round"], report["teachers"]) == (2, list(TEACHERS))
    close(report["all"], direct(list(SHAPES)))
    for name in SHAPES:
        close(report["tensors"][name], direct([name]))
    for layer in range(3):
        close(report["layers"][str(layer)], direct([name for name in SHAPES if f".{layer}." in name]))
    for kind in ("self_attn.q_proj", "mlp.up_proj", "embed_tokens", "norm"):
        close(report["modules"][kind], direct([name for name in SHAPES if f"{kind}.weight" in name]))
    cell = report["cells"][3]
    assert (cell.pop("layer"), cell.pop("module")) == (1, "self_attn.q_proj")
    close(cell, direct(["model.layers.1.self_attn.q_proj.weight"]))


def test_the_table_has_a_row_per_group_and_tensor(prepare: Prepare) -> None:
    config = prepare()
    run(config)
    with (Path(config.out) / "diagnostics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["scope"] for row in rows] == ["all"] + ["layer"] * 3 + ["module"] * 4 + ["tensor"] * len(SHAPES)
    report = json.loads((Path(config.out) / "diagnostics.json").read_text())
    last = rows[-1]
    assert (last["layer"], last["module"]) == ("2", "mlp.up_proj")
    assert float(last["cosine:one|two"]) == report["tensors"][last["name"]]["cosine"]["one|two"]
    assert float(last["norm:three"]) == report["tensors"][last["name"]]["norm"]["three"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.layers.12.mlp.experts.up_proj.weight", (12, "mlp.experts.up_proj")),
        ("model.layers.0.self_attn.q_proj.bias", (0, "self_attn.q_proj.bias")),
        ("model.layers.3.input_layernorm.weight", (3, "input_layernorm")),
        ("model.embed_tokens.weight", (None, "embed_tokens")),
        ("lm_head.weight", (None, "lm_head")),
    ],
)
def test_places(name: str, expected: tuple[int | None, str]) -> None:
    assert place(name) == expected


def numbers(updates: np.ndarray) -> dict[str, Any]:
    zero = np.zeros(updates.shape[1])
    return Sums.of(updates, updates.mean(axis=0), zero, zero).numbers([str(k) for k in range(len(updates))])


whole = st.integers(-8, 8).map(float)
some_updates = arrays.arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(1, 12)), elements=whole)


@given(some_updates, st.sampled_from([0.25, 2.0, 1024.0]))
def test_directions_do_not_depend_on_the_scale(updates: np.ndarray, scale: float) -> None:
    before, after = numbers(updates), numbers(updates * scale)
    for key in ("moved", "cosine", "mean_cosine", "leave_one_out", "sign_agreement", "consensus", "merged_moved"):
        assert before[key] == pytest.approx(after[key])
    assert after["norm"] == pytest.approx({k: value * scale for k, value in before["norm"].items()})


@given(some_updates, st.randoms())
def test_teachers_may_come_in_any_order(updates: np.ndarray, random: Any) -> None:
    order = list(range(len(updates)))
    random.shuffle(order)
    before, after = numbers(updates), numbers(updates[order])
    for key in ("mean_cosine", "sign_agreement", "consensus", "carried", "step"):
        assert before[key] == pytest.approx(after[key])
    for new, old in enumerate(order):
        for key in ("norm", "moved", "leave_one_out"):
            assert after[key][str(new)] == pytest.approx(before[key][str(old)])


@settings(max_examples=50)
@given(some_updates)
def test_ranges(updates: np.ndarray) -> None:
    found = numbers(updates)
    for value in (found["consensus"], found["sign_agreement"], found["merged_moved"]):
        assert value is None or -1e-9 <= value <= 1 + 1e-9
    for value in (*found["cosine"].values(), *found["leave_one_out"].values()):
        assert value is None or abs(value) <= 1 + 1e-9
    assert found["carried"] is None or found["carried"] == pytest.approx(1)


def test_meanings_at_the_ends() -> None:
    same = numbers(np.array([[1.0, -2.0], [1.0, -2.0]]))
    assert (same["consensus"], same["sign_agreement"], same["mean_cosine"]) == pytest.approx((1, 1, 1))
    unrelated = numbers(np.eye(4))
    assert unrelated["consensus"] == pytest.approx(1 / math.sqrt(4))
    assert unrelated["sign_agreement"] is None  # no element was moved twice
    against = numbers(np.array([[1.0, 2.0], [-1.0, -2.0]]))
    assert (against["consensus"], against["sign_agreement"], against["mean_cosine"]) == pytest.approx((0, 0, -1))
    assert against["carried"] is None
    alone = numbers(np.array([[3.0, 4.0]]))
    assert (alone["norm"], alone["cosine"], alone["leave_one_out"]) == ({"0": 5.0}, {}, {"0": None})


def test_the_experts_of_a_layer_are_one_tensor(tmp_path: Path) -> None:
    name = "model.layers.0.mlp.experts"
    draw = np.random.default_rng(0)
    single = {f"{name}.{expert}.down_proj.weight": draw.normal(0, 1, (4, 8)) for expert in range(3)}
    moved = {key: values + draw.normal(0, 1, (4, 8)) for key, values in single.items()}
    fused = {f"{name}.down_proj": np.stack([to_bfloat16(values.astype(np.float32)) for values in moved.values()])}
    paths = [str(write_model(tmp_path / key, tensors)) for key, tensors in (("a", stored(single)), ("b", fused))]
    config = Config(
        start=paths[0], branches={"t": paths[1]}, merged=paths[1], base=paths[0], round=1, out=str(tmp_path / "out")
    )
    run(config)
    report = json.loads((tmp_path / "out" / "diagnostics.json").read_text())
    assert list(report["tensors"]) == [f"{name}.down_proj.weight"]
    before, after = (
        np.concatenate([from_bfloat16(one) for one in stored(tensors).values()]).astype(np.float64)
        for tensors in (single, moved)
    )
    assert report["all"]["norm"]["t"] == pytest.approx(np.linalg.norm(after - before))


def test_a_model_that_lacks_a_tensor(prepare: Prepare) -> None:
    base = models()["base"]
    del base["model.norm.weight"]
    with pytest.raises(CheckFailed, match=re.compile("base has not the tensors of .*start: model.norm.weight")):
        run(prepare(base=base))


def test_the_picture_is_sound(prepare: Prepare) -> None:
    config = prepare(one=models()["start"])  # a teacher that changed nothing has no cosines
    run(config)
    picture = ET.fromstring((Path(config.out) / "diagnostics.svg").read_text())
    titles = [title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert "layer 1, self_attn.q_proj: " in " ".join(str(title) for title in titles)
    assert "one, two: none" in titles
    assert len(titles) == 2 * 6 + 3 * 3


def test_names_in_the_picture_are_escaped() -> None:
    report = {
        "round": 1,
        "teachers": ["a<b", "c&d"],
        "cells": [],
        "all": {"cosine": {"a<b|c&d": 0.5}, "leave_one_out": {"a<b": 0.5, "c&d": 0.5}},
    }
    assert "a<b, c&d: 0.500" in "".join(ET.fromstring(heatmap.draw(report)).itertext())
