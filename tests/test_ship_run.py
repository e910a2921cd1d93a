"""A whole run with the fake tools ships its student; `reproduce` makes it again, to the bit, and names what is not the same."""

import getpass
import hashlib
import json
import os
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from fake_world import World, make_world
from huggingface_hub import ModelCard

pytestmark = pytest.mark.process


def ship(world: World) -> Path:
    return world.run_folder / "student"


def provenance(world: World) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ship(world) / "provenance.json").read_text(encoding="utf-8"))
    return found


def rewrite(world: World, change: Any) -> Path:
    """A changed copy of the provenance, alone in a folder."""
    data = provenance(world)
    change(data)
    (world.root / "sent").mkdir(exist_ok=True)
    file = world.root / "sent" / "provenance.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    return file


def reproduce(world: World, path: object, *more: str, to: str = "again") -> Any:
    return world.mot("reproduce", str(path), "--to", to, "--inputs", ".", "--machine", "machine.yaml", *more)


def test_the_students_folder_is_whole_and_costs_no_disk(whole: World) -> None:
    folder, chosen = ship(whole), whole.run_folder / "artifacts/mot/round-2/select/model"
    assert folder.resolve() == (whole.run_folder / "artifacts" / "ship").resolve()
    wanted = "README.md chat_template.jinja config.json generation_config.json model.safetensors provenance.json"
    assert sorted(file.name for file in folder.iterdir()) == [
        *wanted.split(),
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert (folder / "model.safetensors").stat().st_ino == (chosen / "model.safetensors").stat().st_ino
    for name in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert (folder / name).read_bytes() == (whole.root / "student" / name).read_bytes()


def test_the_card_says_what_was_measured(whole: World) -> None:
    card = ModelCard.load(ship(whole) / "README.md")
    choice = json.loads((whole.run_folder / "artifacts/mot/round-2/select/choice.json").read_text(encoding="utf-8"))
    shown = {one.dataset_name: one.metric_value for one in card.data.eval_results or []}
    assert shown == {"AIME24": choice["scores"]["mot_aime24"], "AIME25": choice["scores"]["mot_aime25"]}
    assert card.data.license == "unknown"
    assert (card.data.library_name, card.data.pipeline_tag) == ("transformers", "text-generation")
    assert {"merge", "mergekit"} <= set(card.data.tags or [])
    assert card.data.base_model is None, "a folder's name says nothing on the hub"
    lines = card.text.split("\n")
    mine = next(line for line in lines if line.startswith(f"| MoT {choice['label']} (this model) |"))
    assert f"| {choice['average']:.2f} ± " in mine
    assert "AIME24 4 x 16" in card.text
    assert "Selection bias" in card.text
    assert f"{choice['label']} {choice['average']:.2f}" in card.text
    assert "traces of bert: **unknown**" in card.text


def test_the_provenance_knows_every_file_step_and_tool(whole: World) -> None:
    found = provenance(whole)
    files = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in ship(whole).iterdir()}
    del files["provenance.json"]
    assert {name: one["sha256"] for name, one in found["files"].items()} == files
    plan = json.loads((whole.run_folder / "plan.json").read_text(encoding="utf-8"))
    assert {name: step["fingerprint"] for name, step in found["plan"].items()} == plan["prints"]
    trained = found["plan"]["mot/round-1/branches/anna"]
    assert trained["tools"].keys() == {"mot-plugin", "llamafactory-cli"}
    from importlib import metadata

    assert found["environments"][trained["tools"]["llamafactory-cli"]]["numpy"] == metadata.version("numpy")
    assert found["plan"]["base/evaluate"]["tools"].keys() == {"mot-plugin", "lm_eval"}
    rows = whole.run_folder / "artifacts/corpus/anna/corpus.jsonl"
    assert found["corpora"]["anna"]["sha256"] == hashlib.sha256(rows.read_bytes()).hexdigest()
    assert found["seeds"] == {"recipe": 0, "evaluation": 1}
    assert [one["path"] for one in found["inputs"]] == ["./student", "anna.jsonl", "bert.jsonl"]


def tells(text: str) -> list[str]:
    """What of this computer a text gives away."""
    mine = [getpass.getuser(), socket.gethostname(), str(Path.home()), str(Path.cwd()), os.sep + "tmp"]
    found = [word for word in mine if re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text)]
    return found + re.findall(r"(?<![\w.}:/<>*~-])/(?!/)[\w.-]+/[^\s\"']*", text)


def test_nothing_of_the_computer_is_in_what_others_get(tmp_path: Path) -> None:
    made = make_world(tmp_path / "world", rounds=1)

    def elsewhere(recipe: dict[str, Any]) -> None:
        recipe["student"] = str(made.root / "student")
        recipe["teachers"]["bert"]["traces"] = str(made.root / "bert.jsonl")
        recipe["sft"]["deepspeed"] = None

    made.edit(elsewhere)
    made.edit(lambda machine: machine["eval"].update(model_args={"download_dir": "/data/secret/place"}), "machine.yaml")
    made.edit(lambda machine: machine.update(env={"HF_TOKEN": "hf_abcdef"}), "machine.yaml")
    made.edit(lambda recipe: recipe["sft"].pop("deepspeed"))
    assert made.run().returncode == 0
    for file in ship(made).iterdir():
        if file.suffix != ".safetensors":
            text = file.read_text(encoding="utf-8")
            assert "hf_abcdef" not in text
            assert "secret" not in text
            assert tells(text) == [], file.name
    assert tells(f"see {tmp_path}/x") != []
    found = provenance(made)
    assert [one["path"] for one in found["inputs"]] == [
        "./inputs/student/student",
        "anna.jsonl",
        "inputs/traces/bert/bert.jsonl",
    ]
    said = reproduce(made, ship(made), to="elsewhere")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "all 11 steps have the recorded fingerprints" in said.stdout
    made.end_all()


def test_it_is_made_again_bit_for_bit(finished: World) -> None:
    said = reproduce(finished, ship(finished), "--run")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "all 16 steps have the recorded fingerprints" in said.stdout
    assert "it was made again, and all 7 files are bit for bit the same" in said.stdout
    assert finished.starts("llamafactory-cli") == 4, "what lies in another store would prove nothing"
    again = finished.root / "again" / "runs" / "tiny" / "student"
    for file in ship(finished).iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes() or file.name == "provenance.json"


def test_a_student_that_comes_out_otherwise_is_said_to(finished: World) -> None:
    def other_bytes(data: dict[str, Any]) -> None:
        data["files"]["model.safetensors"]["sha256"] = "0" * 64

    said = reproduce(finished, rewrite(finished, other_bytes), "--run")
    assert said.returncode == 65
    assert "1 of 7 files are not bit for bit the same\nmodel.safetensors has other bytes: SHA-256" in said.stderr


def test_a_flipped_byte_in_the_weights_is_named(finished: World) -> None:
    copy = shutil.copytree(ship(finished).resolve(), finished.root / "copy")
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    said = reproduce(finished, copy)
    assert said.returncode == 65
    assert "files      model.safetensors has other bytes" in said.stdout
    assert "not those that it speaks of" in said.stderr


def test_another_recipe_than_recorded_is_named(finished: World) -> None:
    def faster(data: dict[str, Any]) -> None:
        data["recipe"] = data["recipe"].replace("learning_rate: 0.01", "learning_rate: 0.02")

    said = reproduce(finished, rewrite(finished, faster))
    assert said.returncode == 65
    assert "plan       mot/round-1/branches/anna: configs/mot/round-1/branches/anna.yaml\n" in said.stdout
    assert "more steps follow from these" in said.stdout
    assert "this is not the recorded experiment of tiny" in said.stderr


def test_other_versions_are_named_with_the_command_that_installs_the_recorded_ones(finished: World) -> None:
    def older(data: dict[str, Any]) -> None:
        data["made_by"]["mot-plugin"] = "0.0.9"
        for found in data["environments"].values():
            found |= {"torch": "2.0.1"}

    said = reproduce(finished, rewrite(finished, older))
    assert said.returncode == 0, said.stdout + said.stderr
    assert "made by mot-plugin 0.0.9, here is " in said.stdout
    assert re.search(r"mot-plugin, (llamafactory-cli|lm_eval|mergekit-yaml).*: torch 2\.0\.1, here ", said.stdout)
    assert "pip install 'torch==2.0.1'" in said.stdout


def test_inputs_that_are_missing_or_others_are_named(finished: World) -> None:
    path = rewrite(finished, lambda data: None)
    said = finished.mot("reproduce", str(path), "--to", "bare", "--machine", "machine.yaml")
    assert said.returncode == 6
    assert "./student (the base student): not there; its digest must be " in said.stdout
    assert "anna.jsonl (recorded traces of anna): not there" in said.stdout
    with (finished.root / "bert.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("\n")
    said = reproduce(finished, path)
    assert said.returncode == 65
    assert "bert.jsonl (recorded traces of bert): has digest " in said.stdout


def test_a_provenance_cannot_write_outside_of_its_folder(finished: World) -> None:
    path = rewrite(finished, lambda data: data["mergekit"].update({"../../evil.yaml": "x"}))
    said = reproduce(finished, path)
    assert said.returncode == 2
    assert "leads out of the folder" in said.stderr
    assert not (finished.root / "again").exists()


def test_another_name_ships_again_without_training(finished: World) -> None:
    finished.edit(lambda recipe: recipe.update(student_license="apache-2.0"))
    assert finished.todo() == ["ship"]
    assert finished.run().returncode == 0
    assert finished.starts() == 0
    assert ModelCard.load(ship(finished) / "README.md").data.license == "apache-2.0"


def test_a_student_that_nothing_could_load_is_not_shipped(finished: World) -> None:
    """The step says all that is wrong; the chosen student stays where it was."""
    folder = finished.root / "student"
    (folder / "generation_config.json").write_text('{"eos_token_id": [999]}', encoding="utf-8")
    said = finished.run()
    assert said.returncode == 3
    assert "eos_token_id 999 is no token of the tokenizer" in said.stderr
    assert ship(finished).resolve().name == "model"
    assert (ship(finished) / "model.safetensors").is_file()
    report = finished.run_folder / "report" / "report.md"
    assert report.is_file()
