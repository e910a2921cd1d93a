"""What is measured beside the main comparison: whose models, at which mixtures, on which tasks."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mot_plugin import machine as machines
from mot_plugin import materials, recipe
from mot_plugin.errors import FileError
from mot_plugin.plan import plan
from mot_plugin.step import Plan, Step

RECIPE: dict[str, Any] = {
    "name": "small",
    "student": "org/student",
    "teachers": {name: {"traces": f"{name}.jsonl"} for name in ("qwq", "r1")},
    "methods": {
        "base": {},
        "mot": {"rounds": 2, "steps": 4},
        "std": {"steps": 8, "save_steps": 4},
        "mtd": {"steps": 8, "save_steps": 4},
        "one_shot": {},
        "matched": {"of": ["mtd", "std"], "save_steps": 8},
    },
    "general": {"tasks": ["mot_forgetting", "mot_mmlu_pro"]},
    "probe": {"tasks": ["mot_aime24_64"], "points": 5},
    "sft": {"template": "qwen3", "cutoff_len": 1024, "learning_rate": 1e-5},
    "eval": {"tasks": ["mot_aime24"]},
}


def planned(**changes: Any) -> Plan:
    made = recipe.Recipe.model_validate({**json.loads(json.dumps(RECIPE)), **changes})
    machine = machines.default(0)
    return plan(made, machine, materials.gather(made, Path("recipe.yaml"), machine))


def config(step: Step, ending: str) -> Any:
    (file,) = [file for file in step.call.files if file.path.endswith(ending)]
    return yaml.safe_load(file.text)


def test_general_benchmarks_are_for_the_selected_models() -> None:
    made = planned()
    shown = {step.name: step.needs for step in made.steps if step.purpose == "general"}
    assert shown == {
        "general/base/evaluate": ("base/student",),
        "general/std/evaluate": ("best/std",),
        "general/mot/evaluate": ("mot/round-2/select",),
    }
    asked = config(made["general/mot/evaluate"], "generate.json")
    assert asked["model"] == "artifacts/mot/round-2/select/model"
    assert asked["tasks"] == ["mot_ceval", "mot_supergpqa", "mot_ifeval", "mot_mmlu_pro"]
    best = config(made["best/std"], "select.json")
    assert best["previous"] == ["artifacts/std/qwq/select", "artifacts/std/r1/select"]
    assert best["candidates"] == []


def test_a_probe_goes_from_the_model_to_the_base() -> None:
    made = planned()
    points = [step for step in made.steps if step.purpose == "probe"]
    assert [(step.method, step.share) for step in points] == [
        ("base", 1.0),
        *(("MTD", share) for share in (0.0, 0.25, 0.5, 0.75)),
        *(("MoT", share) for share in (0.0, 0.25, 0.5, 0.75)),
    ]
    mixed = made["probe/mot/lambda-0.25/mix"]
    assert (mixed.kind, mixed.needs, mixed.weights) == ("mix", ("base/student", "mot/round-2/select"), "temporary")
    models = config(mixed, "mix.yaml")["models"]
    assert [(one["model"], one["parameters"]["weight"]) for one in models] == [
        ("artifacts/base/student/model", 0.25),
        ("artifacts/mot/round-2/select/model", 0.75),
    ]
    assert config(mixed, "check-merge.json")["weights"] == {"base": 0.25, "checkpoint": 0.75}
    assert made["probe/mot/lambda-0/evaluate"].needs == ("mot/round-2/select",)


def test_matched_baselines_take_the_steps_of_all_branches_together() -> None:
    made = planned()
    assert config(made["matched/mtd/train"], "train.yaml")["max_steps"] == 2 * 2 * 4
    assert [made[f"matched/std/qwq/step-{at}/evaluate"].at for at in (8, 16)] == [8, 16]
    assert config(made["matched/std/qwq/train"], "order.json")["rows"] == 16 * 64
    assert "corpus/union" in planned(methods={**RECIPE["methods"], "mtd": None}, probe=None).prints


def test_one_shot_merges_the_ends_of_the_baselines() -> None:
    made = planned()
    merge = made["one-shot/merge"]
    assert (merge.method, merge.weights) == ("one-shot", "result")
    ends = [f"artifacts/std/{teacher}/train/model/checkpoint-8" for teacher in ("qwq", "r1")]
    assert [one["model"] for one in config(merge, "merge.yaml")["models"]] == ends
    assert made["one-shot/evaluate"].needs == ("one-shot/merge",)
    with pytest.raises(FileError, match=r"methods\.one_shot\.merge: no mergekit file 'tis'.*did you mean 'ties'"):
        planned(methods={**RECIPE["methods"], "one_shot": {"merge": "tis"}})


def test_the_report_tells_purposes_apart() -> None:
    shown = config(planned()["report"], "report.json")
    rows = {(row["purpose"], row["method"], row["teacher"], row["share"]) for row in shown["rows"]}
    assert {("general", "STD", None, None), ("probe", "MoT", None, 0.5), ("main", "one-shot", None, None)} <= rows
    assert shown["teachers"] == ["qwq", "r1"]
    assert {(one["method"], one["round"], one["steps"]) for one in shown["trainings"]} == {
        ("MoT", 1, 4),
        ("MoT", 2, 4),
        ("STD", None, 8),
        ("MTD", None, 8),
        ("STD-matched", None, 16),
        ("MTD-matched", None, 16),
    }
    assert all("/mot/" in merge for merge in shown["merges"])


def test_measurements_make_nothing_stale() -> None:
    with_them, without = planned(), planned(general=None, probe=None)
    assert all(
        with_them.prints[name] == found for name, found in without.prints.items() if name not in ("ship", "report")
    )


def test_strange_tasks_are_named_with_their_block() -> None:
    with pytest.raises(FileError, match="no task or group 'mot_forgeting', did you mean 'mot_forgetting'"):
        planned(general={"tasks": ["mot_forgeting"]})
