"""The pieces of shipping: a recipe without paths, what is shipped of which recipe, a whole folder, a tool's environment."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.faults import read_weights, rounded, write_weights

from mot_plugin import materials, strict
from mot_plugin import plan as plans
from mot_plugin import recipe as recipes
from mot_plugin.errors import CheckFailed
from mot_plugin.machine import default
from mot_plugin.recipe import Recipe
from mot_plugin.shipping import complete, versions
from mot_plugin.shipping.portable import portable, text
from mot_plugin.shipping.ship import commit
from mot_plugin.step import Plan, Step

ROOT = Path(__file__).parents[1]
STUDENT = ROOT / "recipes" / "quickstart" / "student"
QUICKSTART = ROOT / "recipes" / "quickstart.yaml"


def made(change: Callable[[dict[str, Any]], object] = lambda _: None) -> Recipe:
    data = strict.read(QUICKSTART).data
    change(data)
    return recipes.check(strict.parse(text(data), "changed.yaml"))


def traces(recipe: Recipe) -> dict[str, str]:
    return {name: f"inputs/traces/{name}.jsonl" for name, teacher in recipe.teachers.items() if teacher.traces}


# A recipe for others


@pytest.mark.parametrize("file", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda file: file.stem)
def test_a_portable_recipe_is_the_same_recipe(file: Path) -> None:
    recipe = recipes.load(file)
    found = portable(recipe, traces(recipe))
    again = recipes.check(strict.parse(text(found.data), "portable.yaml"))
    leads_away = "../" in file.read_text(encoding="utf-8")
    assert (again != recipe) == leads_away, "only paths out of the recipe's folder become others"
    assert portable(again, traces(again)) == found, "what is portable stays as it is"
    assert found.cut == ()


def test_paths_of_this_computer_become_places_beside_the_recipe() -> None:
    def elsewhere(data: dict[str, Any]) -> None:
        data["student"] = "../models/Tiny"
        data["teachers"]["columns"]["traces"] = "/data/somebody/columns.jsonl"
        data["teachers"]["chunks"] = {"run": "~/runs/first"}
        data["source"] = {"name": "X", "file": "/data/x.parquet", "format": "s1k"}
        data["sampling"] = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_tokens": 8, "n": 1}
        data["methods"]["mot"]["merge"] = ["linear", "/home/somebody/mine.yaml"]
        data["sft"]["some_file"] = "/etc/somewhere/x.json"

    data = strict.read(QUICKSTART).data
    elsewhere(data)
    data["sft"].pop("some_file")
    recipe = recipes.check(strict.parse(text(data), "changed.yaml"))
    recipe = recipe.model_copy(update={"sft": recipe.sft | {"some_file": "/etc/somewhere/x.json"}})
    found = portable(recipe, traces(recipe))
    assert found.data["student"] == "./inputs/student/Tiny"
    assert found.data["teachers"]["columns"]["traces"] == "inputs/traces/columns/columns.jsonl"
    assert found.data["teachers"]["chunks"]["run"] == "inputs/teachers/chunks/first"
    assert found.data["source"]["file"] == "inputs/source/x.parquet"
    assert found.data["methods"]["mot"]["merge"] == ["linear", "inputs/mergekit/mine.yaml"]
    assert found.data["sft"]["some_file"] == "x.json"
    assert found.cut == ("sft.some_file",)
    assert found.places["inputs/teachers/chunks"] == "inputs/teachers/chunks/first"
    assert "somebody" not in text(found.data)


def test_a_run_that_stopped_early_has_the_recipe_of_its_rounds() -> None:
    recipe = made(lambda data: data["methods"]["mot"].update(until="no_gain", merge=["linear", "ties"]))
    assert recipe.methods.mot is not None
    mot = recipe.methods.mot.model_copy(update={"rounds": 1})
    stopped = recipe.model_copy(update={"methods": recipe.methods.model_copy(update={"mot": mot})})
    again = recipes.check(strict.parse(text(portable(stopped, traces(stopped)).data), "portable.yaml"))
    assert again.methods.mot is not None
    assert (again.methods.mot.rounds, again.methods.mot.merges) == (1, ("linear",))


# What is shipped


def planned(change: Callable[[dict[str, Any]], object]) -> Plan:
    recipe = made(change)
    place = default(0)
    return plans.plan(recipe, place, materials.gather(recipe, QUICKSTART, place))


def only(*methods: str) -> Callable[[dict[str, Any]], object]:
    def change(data: dict[str, Any]) -> None:
        data["methods"] = {name: data["methods"][name] for name in methods}

    return change


def shipped(plan: Plan) -> Step | None:
    return next((step for step in plan.steps if step.kind == "ship"), None)


def test_mot_is_shipped_whatever_else_there_is() -> None:
    step = shipped(planned(only("base", "mot", "std", "mtd")))
    assert step is not None
    assert (step.method, step.weights) == ("MoT", "result")
    assert {"mot/round-2/select", "mot/round-1/evaluate", "base/evaluate"} <= set(step.needs)
    assert not [need for need in step.needs if need.startswith(("std", "mtd"))], (
        "a baseline that fails must not keep it"
    )


def test_without_mot_the_best_baseline_is_shipped() -> None:
    step = shipped(planned(only("std", "mtd")))
    assert step is not None
    assert {"std/columns/select", "std/shifted/select", "mtd/select"} <= set(step.needs)
    config = json.loads(step.call.files[0].text)
    assert [one["teacher"] for one in config["candidates"]] == ["columns", "chunks", "shifted", None]


def test_an_untrained_student_is_not_shipped() -> None:
    assert shipped(planned(only("base"))) is None


def test_where_it_runs_is_no_part_of_what_it_is() -> None:
    recipe = made()
    place = default(0)
    gathered = materials.gather(recipe, QUICKSTART, place)
    here = plans.plan(recipe, place, gathered)
    there = plans.plan(recipe, place.model_copy(update={"train": {"use_cpu": True}, "name": "x"}), gathered)
    assert here.prints["ship"] == there.prints["ship"]


# A folder that loads


def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STUDENT, tmp_path / "student"))


def edit(file: Path, **changes: Any) -> None:
    data = json.loads(file.read_text(encoding="utf-8")) | changes
    file.write_text(json.dumps({key: value for key, value in data.items() if value is not None}), encoding="utf-8")


def widened(there: Path) -> None:
    write_weights(there / "model.safetensors", read_weights(there / "model.safetensors"))


def fewer_rows(there: Path) -> None:
    weights = read_weights(there / "model.safetensors")
    weights["model.embed_tokens.weight"] = weights["model.embed_tokens.weight"][:400]
    write_weights(there / "model.safetensors", {name: rounded(array) for name, array in weights.items()})


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no generation config": (lambda at: (at / "generation_config.json").unlink(), "lacks generation_config.json"),
    "no template": (lambda at: (at / "chat_template.jinja").unlink(), "lacks chat_template.jinja"),
    "dtype": (widened, "config.json says dtype bfloat16, the weights are float32"),
    "vocabulary": (fewer_rows, "config.json says vocab_size 448, model.embed_tokens.weight has 400 rows"),
    "head": (
        lambda at: edit(at / "config.json", tie_word_embeddings=False),
        "the embeddings are not tied, but there is no lm_head.weight",
    ),
    "ids": (lambda at: edit(at / "config.json", vocab_size=300), "the tokenizer has ids from 300 on"),
    "no end": (lambda at: edit(at / "generation_config.json", eos_token_id=None), "names no eos_token_id"),
    "strange end": (
        lambda at: edit(at / "generation_config.json", eos_token_id=[426, 4711]),
        "eos_token_id 4711 is no token of the tokenizer",
    ),
    "another end": (
        lambda at: edit(at / "generation_config.json", eos_token_id=[424]),
        "the tokenizer's eos_token <|im_end|> (id 426) is not among the eos_token_id of generation_config.json",
    ),
    "config's end": (
        lambda at: edit(at / "config.json", eos_token_id=3),
        "config.json ends answers with token 3, generation_config.json with 426, 424",
    ),
    "broken template": (lambda at: (at / "chat_template.jinja").write_text("{% if %}"), "the chat template"),
    "deaf template": (
        lambda at: (at / "chat_template.jinja").write_text("{{ messages[-1].role }}"),
        "the chat template leaves the question out",
    ),
    "endless template": (
        lambda at: (at / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}"),
        "the chat template ends an answer with none of <|endoftext|>, <|im_end|>, which end generation",
    ),
}


def test_the_quickstarts_student_is_whole(tmp_path: Path) -> None:
    assert complete.problems(folder(tmp_path)) == []


@pytest.mark.parametrize(("spoil", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_folder_is_named(tmp_path: Path, spoil: Callable[[Path], object], said: str) -> None:
    there = folder(tmp_path)
    spoil(there)
    found = complete.problems(there)
    assert [line for line in found if said in line], found
    with pytest.raises(CheckFailed, match="cannot be shipped as it is"):
        complete.check(there)


# The environment of a tool


@pytest.mark.parametrize(
    ("head", "python"),
    [
        ("#!/opt/env/bin/python3.11\n", "/opt/env/bin/python3.11"),
        ("#!/usr/bin/env python3\n", "python3"),
        ("#!/bin/sh\n'''exec' \"/a path/bin/python\" \"$0\" \"$@\"\n' '''\n", "/a path/bin/python"),
        ("#!/bin/sh\n'''exec' /a/bin/python \"$0\" \"$@\"\n' '''\n", "/a/bin/python"),
        ("#!/bin/sh\nexec srun\n", None),
        ("\x7fELF", None),
        ("", None),
    ],
)
def test_a_script_says_which_python_it_runs_in(tmp_path: Path, head: str, python: str | None) -> None:
    script = tmp_path / "tool"
    script.write_text(head, encoding="utf-8")
    assert versions.interpreter([str(script)]) == python


def test_a_tools_environment_is_asked(tmp_path: Path) -> None:
    assert versions.of([sys.executable, "tool"], {}) == versions.here()
    other = tmp_path / "python"  # a name of its own for the same Python: it has to be asked
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    other.chmod(0o755)
    assert versions.of([str(other), "tool"], {}) == versions.here()
    other.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    assert versions.of([str(other), "tool"], {}) == {}
    assert versions.of(["srun", "python"], {}) == {}


def test_hardware_names_no_host() -> None:
    import platform

    found = versions.hardware()
    assert {"system", "processor"} >= found.keys() - {"gpus"}
    assert platform.node() not in " ".join(found.values())


def test_the_commit_of_a_checkout_is_known() -> None:
    found = commit()
    assert found is None or len(found) == 40
    assert (found is None) == (not (ROOT / ".git").is_dir())
