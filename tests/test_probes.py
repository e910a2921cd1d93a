"""The probe loss in a plan: nothing changes without it, and with it every training and merge is measured on the same rows."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from fake_world import FAKES, make_world
from test_plan import SMALL, box, planned

from mot_plugin import recipe
from mot_plugin.errors import FileError
from mot_plugin.step import Plan, Step
from mot_plugin.tools.call import beside

PROBE = {"teacher": "r1", "every": 2, "rows": 5}
GIVEN = ("--probe", "artifacts/probe-loss/rows")


def probed(**more: object) -> Plan:
    def change(data: dict) -> None:
        data["probe_loss"] = PROBE
        data["methods"]["one_shot"] = {}
        data.update(more)

    return planned(change)


def trainer(step: Step) -> tuple[str, ...]:
    (command,) = [one for one in step.call.commands if one.tool == "llamafactory-cli"]
    assert command.program == "mot-plugin"
    return command.args


def test_one_corpus_for_all() -> None:
    made = probed()
    rows = made["probe-loss/rows"]
    (command,) = rows.call.commands
    assert command.args == ("step", "probe-rows", "configs/probe-loss/rows.probe-rows.json")
    config = json.loads(rows.call.files[0].text)
    assert (config["corpus"], config["dataset"], config["rows"]) == ("artifacts/corpus/r1", "r1", 5)
    readers = {step.name for step in made.readers("probe-loss/rows")}
    assert readers == {step.name for step in made.steps if step.kind in ("train", "probe-loss")}


def test_every_training_measures_itself() -> None:
    trained = [step for step in probed().steps if step.kind == "train"]
    assert {step.method for step in trained} == {"MoT", "STD", "MTD"}
    for step in trained:
        assert trainer(step) == ("train", f"configs/{step.name}.yaml", *GIVEN, "--every", "2")
        assert "model/probe_loss.jsonl" in step.call.outputs


def test_every_merged_model_is_measured_right_after_its_merge() -> None:
    made = probed()
    names = [step.name for step in made.steps]
    merges = [step for step in made.steps if step.kind == "merge"]
    assert [merge.name for merge in merges] == ["mot/round-1/merge", "mot/round-2/merge", "one-shot/merge"]
    for merge in merges:
        step = made[names[names.index(merge.name) + 1]]
        assert step.name == merge.name.replace("/merge", "/probe-loss")
        assert (step.method, step.round, step.needs) == (merge.method, merge.round, (merge.name, "probe-loss/rows"))
        assert trainer(step) == ("train", f"configs/{step.name}.yaml", *GIVEN, "--probe-only")
        assert step.call.outputs == ("probe_loss.jsonl",)
        config = yaml.safe_load(step.call.files[0].text)
        branch = yaml.safe_load(made["mot/round-1/branches/r1"].call.files[1].text)
        assert config["model_name_or_path"] == f"artifacts/{merge.name}/model"
        assert {key: config[key] for key in SMALL["sft"]} == {key: branch[key] for key in SMALL["sft"]}
    assert {step.name for step in made.steps if step.kind == "probe-loss"} < set(made["report"].needs)


def test_an_adapter_writes_beside_itself() -> None:
    made = probed(sft=SMALL["sft"] | {"finetuning_type": "lora"})
    assert "adapter/probe_loss.jsonl" in made["mtd/train"].call.outputs


def test_a_machine_of_several_gpus_measures_on_all() -> None:
    def change(data: dict) -> None:
        data["probe_loss"] = PROBE

    step = planned(change, box(gpus=2))["mot/round-1/probe-loss"]
    assert step.gpus == 2
    assert dict(step.call.commands[0].env)["FORCE_TORCHRUN"] == "1"


def test_only_what_is_measured_changes() -> None:
    before, after = planned(), planned(lambda data: data.update(probe_loss=PROBE))
    same = {name for name in before.prints if before.prints[name] == after.prints[name]}
    assert same == {
        step.name for step in before.steps if step.kind in ("student", "corpus") or step.name == "base/evaluate"
    }
    every = planned(lambda data: data.update(probe_loss=PROBE | {"every": 3}))
    assert every.prints["probe-loss/rows"] == after.prints["probe-loss/rows"]
    assert every.prints["mtd/train"] != after.prints["mtd/train"]


def test_a_strangers_corpus_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(SMALL | {"probe_loss": {"teacher": "r2"}}), encoding="utf-8")
    with pytest.raises(FileError, match=r"probe_loss\.teacher: no such teacher"):
        recipe.load(file)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["llamafactory-cli"], ["mot-plugin"]),
        (["/opt/train/bin/llamafactory-cli"], ["/opt/train/bin/mot-plugin"]),
        (["srun", "-n1", "bin/llamafactory-cli"], ["srun", "-n1", "bin/mot-plugin"]),
        (["/opt/python", "-m", "llamafactory.cli"], ["/opt/python", "-m", "mot_plugin"]),
    ],
)
def test_our_program_lies_beside_the_trainers(argv: list[str], expected: list[str]) -> None:
    assert beside(argv, "mot-plugin") == expected
    assert beside(argv, "") == argv


@pytest.mark.process
@pytest.mark.parametrize("asks", ["a probe loss", "full checkpoints"])
def test_an_environment_without_us_is_refused_before_anything_starts(tmp_path: Path, asks: str) -> None:
    world = make_world(tmp_path / "world")
    alone = tmp_path / "without us" / "llamafactory-cli"
    alone.parent.mkdir()
    shutil.copy(FAKES / alone.name, alone)
    tool = {"command": [sys.executable, str(alone)]}
    world.edit(lambda here: here["tools"].update({alone.name: tool}), "machine.yaml")
    if asks == "a probe loss":
        world.edit(lambda data: data.update(probe_loss={"teacher": "anna"}))
    else:
        world.edit(lambda here: here.update(checkpoint_every=1), "machine.yaml")
    refused = world.run()
    assert refused.returncode == 5
    assert "mot-plugin in the environment of llamafactory-cli: no program" in refused.stderr
    assert not world.log()
