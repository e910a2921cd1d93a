"""Recipe, machine file, student and lengths: a healthy place has no error, and each broken point has its line and remedy."""

from pathlib import Path
from typing import Any

import pytest
from doctor_place import Place
from live_world import SAMPLING, write_sums

from mot_plugin.doctor.lengths import context_length


def test_a_healthy_place_has_nothing_but_ok(place: Place) -> None:
    told = place.told()
    assert {one.check: one.level for one in told.values() if one.level != "ok"} == {}
    assert told["recipe"].found == "tiny: 11 of 11 steps have to run"
    assert told["batch"].found == "4 rows = 1 process x 4 rows x 1 accumulation steps"
    assert told["sft.cutoff_len"].found == "512 of the student's 65,536 tokens"


def test_without_a_recipe_the_place_is_looked_at(place: Place) -> None:
    told = place.told(None)
    assert {"machine", "llamafactory-cli", "mergekit-yaml", "lm_eval", "GPUs", "room", "loopback"} <= told.keys()
    assert not {"recipe", "batch", "sft.cutoff_len", "student"} & told.keys()
    assert not [one for one in told.values() if one.level == "error"]


def test_a_batch_that_cannot_be_divided(place: Place) -> None:
    place.machine(train={"per_device_train_batch_size": 3})
    wrong = place.told()["recipe"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert "global_batch_size 4 is not a multiple of 1 process x 3 rows each" in wrong.found
    assert "train.per_device_train_batch_size 1, 2 or 4" in wrong.found


def test_mistakes_of_both_files_come_at_once(place: Place) -> None:
    place.machine(trian={})
    place.recipe(sft={"cutoff_length": 1})
    told = place.told()
    assert (told["machine"].level, told["recipe"].level) == ("error", "error")
    assert "trian: unknown key, did you mean 'train'?" in told["machine"].found
    assert "cutoff_length: LLaMA-Factory has no such key, did you mean 'cutoff_len'?" in told["recipe"].found
    assert told.keys() == {"machine", "recipe"}


def test_a_student_that_is_not_there(place: Place) -> None:
    place.recipe(student="./nobody")
    told = place.told()
    assert told["student"].level == "error"
    assert told["student"].found == f"{place.world.root / 'nobody'} is not there"
    assert told["student"].remedy == "put it there, or mend its path in the recipe"
    assert told["student"].code == 6
    assert "inputs" not in told
    # What needs its files says that it cannot be told, each on its own line.
    assert told["memory"].level == told["sft.cutoff_len"].level == told["room"].level == "unknown"


def test_a_student_without_some_of_its_files(place: Place) -> None:
    for name in ("chat_template.jinja", "model.safetensors"):
        (place.world.root / "student" / name).unlink()
    wrong = place.told()["student"]
    assert (wrong.level, wrong.code) == ("error", 6)
    assert wrong.found.endswith("student lacks chat_template.jinja, model.safetensors")
    assert wrong.remedy.startswith("copy them there; of a hub model: hf download MODEL --local-dir ")


def test_a_file_that_cannot_be_read_ends_one_family_only(place: Place) -> None:
    (place.world.root / "student" / "tokenizer_config.json").write_text("{")
    (place.world.root / "student" / "chat_template.jinja").unlink()
    told = place.told()
    assert "tokenizer_config.json: not readable as JSON" in told["files"].found
    assert "tokenizer_config.json is not JSON" in told["chat template"].found
    assert told["files"].level == told["chat template"].level == "error"
    assert told["loopback"].level == "ok"


def test_traces_that_are_not_there(place: Place) -> None:
    (place.world.root / "anna.jsonl").unlink()
    wrong = place.told()["traces/anna.jsonl"]
    assert (wrong.level, wrong.found) == ("error", f"{place.world.root / 'anna.jsonl'} is not there")


def test_a_copy_of_a_benchmark_that_is_not_there(place: Place) -> None:
    (place.world.root / "benchmarks" / "aime25.jsonl").unlink()
    wrong = place.told()["data of mot_aime25"]
    assert (wrong.level, wrong.code) == ("error", 6)
    assert wrong.found == f"no copy of math-ai/aime25: {place.world.root}/benchmarks/aime25 is not there"
    fetch = f"mot-plugin fetch mot_aime25 --to {place.world.root}/benchmarks"
    assert wrong.remedy == f"where there is a network: {fetch}"


def test_a_teacher_that_has_not_been_trained(place: Place) -> None:
    def taught(data: dict[str, Any]) -> None:
        data["teachers"]["anna"] = {"run": "runs/other"}
        data["source"] = {"file": "sums.jsonl", "columns": {"problem": "q"}, "decontaminate": []}
        data["sampling"] = SAMPLING

    write_sums(place.world, range(2))
    place.world.edit(taught)
    wrong = place.told()["teachers/anna"]
    assert (wrong.level, wrong.remedy) == ("error", "run its recipe first, or mend its path in the recipe")


def test_rows_longer_than_the_students_context(place: Place) -> None:
    place.recipe(sft={"cutoff_len": 70000})
    wrong = place.told()["sft.cutoff_len"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert wrong.found == "70,000 tokens, and the student's context is 65,536 (max_position_embeddings)"
    assert wrong.remedy == "write `cutoff_len: 65536` or less in the recipe"


def test_answers_longer_than_the_engines_context(place: Place) -> None:
    what = "max_model_len of evaluations"
    place.machine(eval={"model_args": {"max_model_len": 32768}})
    wrong = place.told()[what]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert wrong.found == "mot_aime25 asks up to 38,912 tokens, and max_model_len is 32,768: no room for a prompt"
    assert wrong.remedy == "write `max_model_len: 39936` or more under eval.model_args of the machine file"
    place.machine(eval={"model_args": {"max_model_len": 39000}})
    assert place.told()[what].level == "warning"
    assert "leaves 88 tokens for the prompts of mot_aime25" in place.told()[what].found
    place.machine(eval={"model_args": {"max_model_len": 40960}})
    assert place.told()[what].level == "ok"
    place.machine(eval={"model_args": {"max_model_len": 131072}})
    assert place.told()[what].found == "131,072, and the student's context is 65,536: the engine refuses it"
    place.machine(eval={"model_args": {}})
    place.config(max_position_embeddings=32768)
    assert place.told()[what].level == "error"
    assert place.told()[what].remedy == "take a student with a longer context, or tasks with shorter answers"


def test_a_student_that_does_not_say_its_context(place: Place) -> None:
    place.config(max_position_embeddings=None)
    told = place.told()
    assert told["sft.cutoff_len"].level == told["max_model_len of evaluations"].level == "unknown"


@pytest.mark.parametrize(
    ("config", "length"),
    [
        ({"max_position_embeddings": 40960}, 40960),
        ({"max_position_embeddings": 40960, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}, 40960),
        (
            {
                "max_position_embeddings": 40960,
                "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
            },
            131072,
        ),
        ({"max_position_embeddings": 131072, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, 131072),
        ({"max_position_embeddings": 2048, "rope_scaling": {"type": "linear", "factor": 2}}, 4096),
        ({}, None),
    ],
)
def test_a_context_is_as_long_as_an_engine_takes_it_for(config: dict[str, Any], length: int | None) -> None:
    assert context_length(config) == length


def test_the_folders_are_left_as_they_were(place: Place) -> None:
    before = sorted(place.world.root.rglob("*"))
    place.told()
    assert sorted(place.world.root.rglob("*")) == before
    assert not Path("runs").exists()
