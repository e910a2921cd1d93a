"""plan(): what a recipe becomes, in which order, and what makes a result stale."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin import machine as machines
from mot_plugin import materials, recipe
from mot_plugin.errors import FileError
from mot_plugin.machine import Machine
from mot_plugin.plan import METHODS
from mot_plugin.plan import plan as make_plan
from mot_plugin.step import MISSING, Plan, Step, arrange
from mot_plugin.tools.call import Call, Command, File

BOBA = Path(__file__).parents[1] / "recipes" / "boba200.yaml"
HERE = Path("recipe.yaml")
CPU = machines.default(0)

SMALL: dict[str, Any] = {
    "name": "small",
    "source": {"name": "SMALL"},
    "student": "org/student",
    "teachers": {name: {"traces": f"{name}.jsonl"} for name in ("qwq", "r1", "v3")},
    "methods": {
        "base": {},
        "mot": {"rounds": 2, "steps": 4},
        "std": {"steps": 8, "save_steps": 4},
        "mtd": {"steps": 8, "save_steps": 4},
    },
    "sft": {"template": "qwen3", "cutoff_len": 1024, "learning_rate": 1e-5},
    "eval": {"tasks": ["mot_aime24"]},
}


def planned(
    change: Callable[[dict[str, Any]], Any] = lambda _: None,
    machine: Machine = CPU,
    edit: Callable[[materials.Materials], materials.Materials] = lambda same: same,
) -> Plan:
    """The small recipe with one change, as its plan. Its inputs are not there: planning needs none of them."""
    data = json.loads(json.dumps(SMALL))
    change(data)
    made = recipe.Recipe.model_validate(data)
    return make_plan(made, machine, edit(materials.gather(made, HERE, machine)))


def box(**changes: Any) -> Machine:
    return Machine.model_validate({**CPU.model_dump(), **changes})


def differ(before: Plan, after: Plan) -> set[str]:
    """Steps of both plans whose fingerprint is another one."""
    return {name for name in before.prints if name in after.prints and before.prints[name] != after.prints[name]}


def of_kind(made: Plan, *kinds: str) -> set[str]:
    return {step.name for step in made.steps if step.kind in kinds}


def config(step: Step, ending: str) -> Any:
    (file,) = [file for file in step.call.files if file.path.endswith(ending)]
    return yaml.safe_load(file.text)


# What is planned


def boba() -> Plan:
    made = recipe.load(BOBA)
    return make_plan(made, CPU, materials.gather(made, BOBA, CPU))


def test_boba200_is_the_papers_main_run() -> None:
    made = boba()
    assert Counter(step.kind for step in made.steps) == {
        "student": 1,
        "source": 1,
        "traces": 4,
        "corpus": 5,
        "train": 25,
        "merge": 5,
        "evaluate": 31,
        "select": 10,
        "ship": 1,
        "report": 1,
    }
    trainings = Counter(step.method for step in made.steps if step.kind == "train")
    assert trainings == {"MoT": 20, "STD": 4, "MTD": 1}
    evaluations = Counter(step.method for step in made.steps if step.kind == "evaluate")
    assert evaluations == {"base": 1, "MoT": 5, "STD": 20, "MTD": 5}


def test_a_round_starts_from_the_merge_of_the_round_before() -> None:
    made = boba()
    for step in made.steps:
        if step.kind != "train" or step.method != "MoT":
            continue
        number = int(step.name.split("/")[1].removeprefix("round-"))
        start = "base/student" if number == 1 else f"mot/round-{number - 1}/merge"
        given_config = config(step, ".yaml")
        assert given_config["model_name_or_path"] == f"artifacts/{start}/model"
        assert given_config["max_steps"] == 50
        assert start in step.needs
        assert config(step, "check-branch.json")["start"] == f"artifacts/{start}/model"
        rows = config(step, "order.json")
        assert (rows["first_row"], rows["rows"]) == ((number - 1) * 50 * 64, 50 * 64)


def test_a_merge_takes_every_branch_of_its_round_in_the_recipes_order() -> None:
    made = planned()
    for number in (1, 2):
        branches = [f"mot/round-{number}/branches/{teacher}" for teacher in SMALL["teachers"]]
        merge = made[f"mot/round-{number}/merge"]
        assert [one["model"] for one in config(merge, ".yaml")["models"]] == [f"artifacts/{b}/model" for b in branches]
        assert set(branches) < set(merge.needs)
        assert config(merge, "check-merge.json")["weights"] == {"qwq": 1.0, "r1": 1.0, "v3": 1.0}


def test_baselines_are_evaluated_at_every_checkpoint() -> None:
    made = planned()
    assert [step.at for step in made.steps if step.name.startswith("std/r1/") and step.kind == "evaluate"] == [4, 8]
    assert config(made["mtd/train"], "train.yaml")["dataset"] == "union"
    assert "corpus/union" in made["mtd/train"].needs
    assert config(made["std/r1/train"], "train.yaml")["save_steps"] == 4


def test_without_mtd_there_is_no_union() -> None:
    assert "corpus/union" not in planned(lambda data: data["methods"].pop("mtd")).prints


def test_the_papers_method_comes_before_the_baselines() -> None:
    order = [step.name for step in planned().steps]
    assert order[0] == "base/student"
    assert order.index("mot/round-2/select") < order.index("std/qwq/train") < order.index("mtd/train")
    assert order[-1] == "report"


def test_only_what_was_chosen_and_the_last_merge_are_kept() -> None:
    kept = {step.name: step.weights for step in planned().steps if step.call.weights and step.weights != "temporary"}
    assert kept == {
        "mot/round-2/merge": "kept",
        "mot/round-2/select": "result",
        **{f"std/{teacher}/select": "result" for teacher in ("qwq", "r1", "v3")},
        "mtd/select": "result",
        "ship": "result",
    }


def test_every_launch_draws_its_own_numbers() -> None:
    made = planned()
    seeds = [config(step, f"{step.name}.yaml")["seed"] for step in made.steps if step.kind == "train"]
    assert len(set(seeds)) == len(seeds) == 10


def test_trainers_own_epochs_are_an_option() -> None:
    made = planned(lambda data: data.update(corpus={"batching": "trainer"}))
    for step in made.steps:
        if step.kind == "train":
            assert config(step, ".order.json")["rows"] is None
            assert config(step, ".order.json")["first_row"] == 0
            assert config(step, f"{step.name}.yaml")["disable_shuffling"] is False


@pytest.mark.parametrize(
    ("gpus", "rows", "said", "ways"),
    [
        (3, 1, "3 processes x 1 rows", "steps.train.gpus 1, 2 or 4; the recipe's global_batch_size 63 or 66"),
        (
            *(8, 16, "8 processes x 16 rows"),
            "train.per_device_train_batch_size 1, 2, 4 or 8; steps.train.gpus 1, 2 or 4; the recipe's global_batch_size 128",
        ),
        (
            *(0, 48, "1 process x 48 rows"),
            "train.per_device_train_batch_size 1, 2, 4, 8, 16, 32 or 64; the recipe's global_batch_size 48 or 96",
        ),
    ],
)
def test_a_batch_that_the_machine_cannot_split_is_refused(gpus: int, rows: int, said: str, ways: str) -> None:
    machine = box(name="odd", gpus=gpus, train={"per_device_train_batch_size": rows})
    with pytest.raises(FileError) as raised:
        planned(machine=machine)
    assert str(raised.value) == (
        f"recipe small on machine 'odd': global_batch_size 64 is not a multiple of {said} each "
        f"(train.per_device_train_batch_size); one of these makes it exact: {ways}"
    )


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(FileError, match=r"eval\.tasks: no task 'mot_aime2' below eval/, did you mean 'mot_aime2"):
        planned(lambda data: data["eval"].update(tasks=["mot_aime2"]))
    with pytest.raises(FileError, match=r"methods\.mot\.merge: no mergekit file 'liner', .*, did you mean 'linear'\?"):
        planned(lambda data: data["methods"]["mot"].update(merge="liner"))


def test_a_merge_file_beside_the_recipe(tmp_path: Path) -> None:
    text = "merge_method: linear\nmodels:\n"
    text += "".join(f"- {{model: branches/{n}, parameters: {{weight: {w}}}}}\n" for n, w in (("r1", 3), ("qwq", 1)))
    text += "- {model: branches/v3, parameters: {weight: 2}}\ndtype: float32\nout_dtype: bfloat16\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    data = {**SMALL, "methods": {"mot": {"rounds": 1, "steps": 1, "merge": "mine.yaml"}}}
    made = recipe.Recipe.model_validate(data)
    merge = make_plan(made, CPU, materials.gather(made, tmp_path / "recipe.yaml", CPU))["mot/round-1/merge"]
    assert config(merge, "check-merge.json")["weights"] == {"qwq": 1.0, "r1": 3.0, "v3": 2.0}
    assert [one["parameters"]["weight"] for one in config(merge, "merge.yaml")["models"]] == [1, 3, 2]


@settings(deadline=None, max_examples=20)
@given(
    teachers=st.lists(
        st.from_regex(r"[a-z][a-z0-9.-]{0,6}", fullmatch=True), min_size=1, max_size=5, unique=True
    ).filter(lambda names: "union" not in names),
    rounds=st.integers(1, 4),
    checkpoints=st.integers(1, 3),
    methods=st.sets(st.sampled_from(sorted(METHODS)), min_size=1),
    points=st.integers(3, 5),
)
def test_any_number_of_teachers_rounds_and_methods(
    teachers: list[str], rounds: int, checkpoints: int, methods: set[str], points: int
) -> None:
    baseline = {"steps": 2 * checkpoints, "save_steps": 2}
    wanted = {"base": {}, "mot": {"rounds": rounds, "steps": 2}, "std": baseline, "mtd": baseline}
    wanted |= {"one_shot": {}, "matched": {"of": ["mtd", "std"], "save_steps": 2}}
    methods = methods | ({"std"} if "one_shot" in methods else set()) | ({"mot"} if "matched" in methods else set())
    measured = sorted(methods - {"matched", "base"})

    def change(data: dict[str, Any]) -> None:
        data["teachers"] = {name: {"traces": "x.jsonl"} for name in teachers}
        data["methods"] = {name: wanted[name] for name in methods}
        if measured:
            data["general"] = {"of": ["base", *measured], "tasks": ["mot_ifeval"]}
            data["probe"] = {"of": measured, "points": points, "tasks": ["mot_aime24"]}

    made = planned(change)
    count, has = len(teachers), {name: int(name in methods) for name in wanted}
    kinds = Counter(step.kind for step in made.steps)
    long = (count + 1) * has["matched"]  # trainings of as many steps as all branches have together
    assert kinds["corpus"] == count + max(has["mtd"], has["matched"])
    assert kinds["train"] == count * rounds * has["mot"] + count * has["std"] + has["mtd"] + long
    assert kinds["merge"] == rounds * has["mot"] + has["one_shot"]
    assert kinds["mix"] == len(measured) * (points - 2)
    purposes = Counter(step.purpose for step in made.steps if step.kind == "evaluate")
    evaluated = has["base"] + rounds * has["mot"] + checkpoints * (count * has["std"] + has["mtd"]) + has["one_shot"]
    assert purposes["main"] == evaluated + long * count * rounds
    assert purposes["general"] == (1 + len(measured) if measured else 0)
    assert purposes["probe"] == (1 + len(measured) * (points - 1) if measured else 0)
    hangs_together(made)


def hangs_together(made: Plan) -> None:
    """Each step reads exactly what it says it needs, all of it made before, and writes only into its own folder."""
    before: list[str] = []
    for step in made.steps:
        assert set(step.needs) <= set(before), step.name
        assert not [other for other in before if step.name.startswith(f"{other}/") or other.startswith(f"{step.name}/")]
        words = [file.text for file in step.call.files]
        words += [argument for command in step.call.commands for argument in (*command.args, *command.place)]
        text = "\n".join(words)
        read = {
            re.sub(r"/(model(/.*)?|[a-z_]+\.jsonl?)$", "", path) for path in re.findall(r"artifacts/([\w./-]+)", text)
        }
        assert read == set(step.needs), step.name
        written = set(re.findall(r"(?<![\w./-])work/([\w./-]+)", text))
        assert all(path == step.name or path.startswith(f"{step.name}/") for path in written), step.name
        assert all(file.path.startswith(("configs/", "eval/")) for file in step.call.files)
        before.append(step.name)
    assert len(set(before)) == len(before)


def test_the_papers_run_hangs_together() -> None:
    hangs_together(boba())


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (("a", "a"), "two steps are called a"),
        (("a:b", "b"), "a needs b, which does not come before it"),
        (("a:a",), "a needs a, which does not come before it"),
    ],
)
def test_a_plan_that_cannot_run_in_order_is_refused(steps: tuple[str, ...], said: str) -> None:
    call = Call((Command("tool", ()),), (), ())
    made = [
        Step(name, "train", "MoT", call, tuple(filter(None, [need])))
        for name, _, need in (s.partition(":") for s in steps)
    ]
    with pytest.raises(ValueError, match=re.escape(said)):
        arrange("x", made, {}, {})


# What makes a result stale

SFT_CHANGES = {
    "learning rate": lambda data: data["sft"].update(learning_rate=2e-5),
    "a new key": lambda data: data["sft"].update(weight_decay=0.1),
    "template": lambda data: data["sft"].update(template="llama3"),
}


@pytest.mark.parametrize("change", SFT_CHANGES.values(), ids=SFT_CHANGES)
def test_a_training_setting_touches_every_training_and_no_corpus(change: Callable[[dict[str, Any]], None]) -> None:
    before = planned()
    assert differ(before, planned(change)) == set(before.prints) - of_kind(before, "student", "corpus") - {
        "base/evaluate"
    }


@pytest.mark.parametrize("batching", ["exact", "trainer"])
def test_another_batch_is_another_training(batching: str) -> None:
    def change(data: dict[str, Any]) -> None:
        data["corpus"] = {"batching": batching}

    before = planned(change)
    after = planned(lambda data: (change(data), data.update(global_batch_size=32)))
    assert of_kind(before, "train") <= differ(before, after)
    assert not differ(before, after) & of_kind(before, "corpus")


def test_more_steps_in_fewer_rows_are_another_training() -> None:
    """Half the batch and twice the steps read the same rows."""
    before = planned()

    def change(data: dict[str, Any]) -> None:
        data["global_batch_size"] = 32
        data["methods"]["mot"]["steps"] = 8

    assert "mot/round-1/branches/qwq" in differ(before, planned(change))


MACHINES: dict[str, dict[str, Any]] = {
    "GPUs": {"gpus": 8},
    "split of the batch": {"train": {"per_device_train_batch_size": 2}},
    "workers": {"train": {"preprocessing_num_workers": 7, "dataloader_num_workers": 3}},
    "deepspeed": {"gpus": 2, "train": {"deepspeed": "zero3-offload"}},
    "tool commands": {"tools": {"llamafactory-cli": {"command": ["/other/llamafactory-cli"], "env": {"A": "b"}}}},
    "environment": {"env": {"OMP_NUM_THREADS": "7"}},
    "storage": {"storage": {"runs": "elsewhere", "store": "/store", "keep": "all", "datasets": "/sets"}},
    "patience": {"retries": 5, "backoff_seconds": 1},
    "evaluation's GPUs": {"gpus": 8, "eval": {"gpus_per_engine": 2}},
    "evaluation's room": {"eval": {"batch_size": 1, "device": "cuda:1", "model_args": {"max_model_len": 5}}},
    "name": {"name": "another"},
}


@pytest.mark.parametrize("changes", MACHINES.values(), ids=MACHINES)
def test_where_and_how_fast_changes_no_fingerprint(changes: dict[str, Any]) -> None:
    assert planned(machine=box(**changes)).prints == planned().prints


def test_another_engine_answers_differently() -> None:
    before, after = planned(), planned(machine=box(eval={"engine": "vllm"}))
    assert differ(before, after) == of_kind(before, "evaluate", "select", "ship", "report")


def test_one_teacher_less_shares_what_it_can() -> None:
    before, after = planned(), planned(lambda data: data["teachers"].pop("r1"))
    same = set(after.prints) - differ(before, after)
    assert same == {
        "base/student",
        "base/evaluate",
        "corpus/qwq",
        "corpus/v3",
        "mot/round-1/branches/qwq",
        "mot/round-1/branches/v3",
        *(f"std/{t}/{s}" for t in ("qwq", "v3") for s in ("train", "step-4/evaluate", "step-8/evaluate", "select")),
    }


def test_other_tasks_leave_every_weight_alone() -> None:
    before, after = planned(), planned(lambda data: data["eval"].update(tasks=["mot_aime25"]))
    assert differ(before, after) == of_kind(before, "evaluate", "select", "ship", "report")


@pytest.mark.parametrize("key", ["seed", "shards", "metric"])
def test_other_evaluation_settings_too(key: str) -> None:
    before = planned()
    after = planned(lambda data: data["eval"].update({key: {"seed": 2, "shards": 2, "metric": "pass_at_k"}[key]}))
    kinds = ("select", "ship", "report") if key == "metric" else ("evaluate", "select", "ship", "report")
    assert differ(before, after) == of_kind(before, *kinds)


def test_the_recipes_name_matters_only_to_its_card_and_report() -> None:
    for source in ({"name": "SMALL"}, {}):
        before = planned(lambda data, s=source: data.update(source=s))  # type: ignore[misc]
        after = planned(lambda data, s=source: data.update(source=s, name="ablation"))  # type: ignore[misc]
        assert differ(before, after) == {"ship", "report"}


def test_a_round_more_keeps_the_rounds_before() -> None:
    two, three = planned(), planned(lambda data: data["methods"]["mot"].update(rounds=3))
    assert differ(two, three) == {"ship", "report"}
    assert {name for name in three.prints if name not in two.prints} == {
        name for name in three.prints if name.startswith("mot/round-3/")
    }


@pytest.mark.parametrize("method", sorted(SMALL["methods"]))
def test_a_method_less_keeps_the_others(method: str) -> None:
    before, after = planned(), planned(lambda data: data["methods"].pop(method))
    assert differ(before, after) == {"ship", "report"}


def test_the_order_of_keys_does_not_matter() -> None:
    def reverse(data: dict[str, Any]) -> None:
        data["sft"] = dict(reversed(data["sft"].items()))

    assert planned(reverse).prints == planned().prints


def test_other_prompts_build_other_corpora() -> None:
    before, after = planned(), planned(lambda data: data.update(prompt="Solve: {problem}"))
    assert of_kind(before, "corpus", "train", "merge") <= differ(before, after)
    assert not {"base/student", "base/evaluate"} & differ(before, after)


def test_another_merge_leaves_the_first_branches() -> None:
    before = planned()

    def average(same: materials.Materials) -> materials.Materials:
        return replace(
            same, merges=tuple((name, text.replace("weight: 1.0", "weight: 0.5")) for name, text in same.merges)
        )

    changed = differ(before, planned(edit=average))
    assert changed == {name for name in before.prints if re.match(r"mot/round-1/[mes]|mot/round-2|ship|report", name)}


def test_a_comment_in_a_merge_file_does_not() -> None:
    after = planned(edit=lambda same: replace(same, merges=tuple((n, "# more\n" + text) for n, text in same.merges)))
    assert after.prints == planned().prints


def test_a_method_per_round() -> None:
    made = planned(lambda data: data["methods"]["mot"].update(merge=["linear", "ties"]))
    methods = [config(made[f"mot/round-{n}/merge"], "merge.yaml")["merge_method"] for n in (1, 2)]
    assert methods == ["linear", "ties"]
    base = config(made["mot/round-2/merge"], "merge.yaml")["base_model"]
    assert base == "artifacts/mot/round-1/merge/model"
    assert differ(planned(), made) == {n for n in made.prints if re.match(r"mot/round-2/[mes]|ship|report", n)}


def test_weights_by_teacher() -> None:
    given = {"qwq": 2, "r1": 0.5, "v3": 1}
    made = planned(lambda data: data["methods"]["mot"].update(weights=given))
    models = config(made["mot/round-1/merge"], "merge.yaml")["models"]
    assert [entry["parameters"]["weight"] for entry in models] == [2.0, 0.5, 1.0]
    assert config(made["mot/round-1/merge"], ".check-merge.json")["weights"] == {k: float(v) for k, v in given.items()}


def test_the_exact_carry_goes_on_from_the_last_accumulator() -> None:
    made = planned(lambda data: data["methods"]["mot"].update(carry="float32"))
    first, second = (made[f"mot/round-{n}/merge"] for n in (1, 2))
    assert [entry["model"] for entry in config(first, "accumulator.yaml")["models"]] == [
        f"artifacts/mot/round-1/branches/{teacher}/model" for teacher in ("qwq", "r1", "v3")
    ]
    added = config(second, "accumulator.yaml")["models"]
    assert [(entry["model"], entry["parameters"]["weight"]) for entry in added[3:]] == [
        ("artifacts/mot/round-1/merge/model", -3.0),
        ("artifacts/mot/round-1/merge/accumulator", 3.0),
    ]
    assert config(second, "merge.yaml")["models"][0]["model"] == "work/mot/round-2/merge/accumulator"
    assert "accumulator/*.safetensors" in second.call.weights


def test_the_stream_engine_gives_the_same_results() -> None:
    fast = box(merge={"engine": "stream"})
    usual, faster = planned(), planned(machine=fast)
    assert faster.prints == usual.prints
    tools = [[command.tool for command in made["mot/round-1/merge"].call.commands] for made in (usual, faster)]
    assert tools[0][1] == "mergekit-yaml"
    assert "mergekit-yaml" not in tools[1]
    other = planned(lambda data: data["methods"]["mot"].update(merge="ties"), machine=fast)
    assert "mergekit-yaml" in [command.tool for command in other["mot/round-1/merge"].call.commands]


def test_a_changed_trace_file_changes_its_corpus_and_what_follows(tmp_path: Path) -> None:
    made = recipe.Recipe.model_validate({**SMALL, "student": "./student"})
    for teacher in made.teachers:
        (tmp_path / f"{teacher}.jsonl").write_text(f"{teacher}\n", encoding="utf-8")
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "config.json").write_text("{}", encoding="utf-8")
    cache = tmp_path / "store" / "digests.json"

    def again() -> Plan:
        return make_plan(made, CPU, materials.gather(made, tmp_path / "recipe.yaml", CPU, cache))

    first = again()
    assert MISSING not in {part for parts in first.parts.values() for part in parts.values()}
    assert again().prints == first.prints  # what it remembered
    assert cache.is_file()
    cache.write_text("{", encoding="utf-8")
    assert again().prints == first.prints  # a broken memory is none
    (tmp_path / "r1.jsonl").write_text("r2\n", encoding="utf-8")
    second = again()
    branches = [f"mot/round-1/branches/{teacher}" for teacher in ("qwq", "v3")]
    kept = {"base/student", "base/evaluate", "corpus/qwq", "corpus/v3", *branches}
    kept |= {name for name in first.prints if re.match(r"std/(qwq|v3)/", name)}
    assert differ(first, second) == set(first.prints) - kept
    (tmp_path / "student" / "config.json").write_text('{"a": 1}', encoding="utf-8")
    assert differ(second, again()) == set(first.prints)


def test_data_that_ships_with_a_task_is_part_of_its_evaluations() -> None:
    def quickstart(data: dict[str, Any]) -> None:
        data["eval"]["tasks"] = ["mot_quickstart"]

    def other(same: materials.Materials) -> materials.Materials:
        (name,) = same.suites["main"].data
        return replace(same, digests={**same.digests, name: "other"})

    before = planned(quickstart)
    assert differ(before, planned(quickstart, edit=other)) == of_kind(before, "evaluate", "select", "ship", "report")


def test_the_report_knows_what_it_shows() -> None:
    made = planned()
    rows = {row["scores"]: row["fingerprint"] for row in config(made["report"], "report.json")["rows"]}
    assert rows == {f"artifacts/{name}/scores.json": made.prints[name] for name in of_kind(made, "evaluate")}


def test_a_missing_input_is_noted_and_changes_what_reads_it(tmp_path: Path) -> None:
    before = planned()
    assert before.parts["corpus/qwq"]["inputs/traces/qwq.jsonl"] == MISSING
    after = planned(edit=lambda same: replace(same, digests={**same.digests, "inputs/traces/qwq.jsonl": "abc"}))
    assert "corpus/qwq" in differ(before, after)


def test_a_student_is_its_revision() -> None:
    before, after = planned(), planned(lambda data: data.update(student="org/student@main"))
    assert differ(before, after) == set(before.prints)
    assert config(after["base/student"], "student.json")["revision"] == "main"


def test_files_are_seen_by_their_identity() -> None:
    def step(text: str, identity: str | None) -> Step:
        return Step("a", "train", "MoT", Call((Command("tool", ()),), (File("a.yaml", text, identity),), ()))

    def fingerprint(text: str, identity: str | None) -> str:
        return arrange("x", [step(text, identity)], {}, {}).prints["a"]

    assert fingerprint("one", "same") == fingerprint("two", "same")
    assert fingerprint("one", None) != fingerprint("two", None)
    assert fingerprint("one", "this") != fingerprint("one", "that")
