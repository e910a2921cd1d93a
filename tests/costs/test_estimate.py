"""Estimates: the formulas by hand, what sharing saves, what is refused, and that the guide says what the code does."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mot_plugin import machine as machines
from mot_plugin import overview
from mot_plugin import run as runs
from mot_plugin.costs import answers, budget, words
from mot_plugin.costs.case import Case
from mot_plugin.costs.estimate import Estimate
from mot_plugin.costs.price import Price, price
from mot_plugin.errors import FileError, TooDear
from mot_plugin.evals import catalogue, choice_loaders, loaders, maths_loaders, text_loaders
from mot_plugin.machine import Machine, Resources
from mot_plugin.rates import STARTUP, Rates
from mot_plugin.run import Prepared
from mot_plugin.tools import lm_eval

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Eight GPUs, and a folder of runs in which nothing is done."""
    found = machines.load(RECIPES / "machines" / "8x80gb.yaml")
    storage = found.storage.model_copy(update={"runs": str(tmp_path_factory.mktemp("runs"))})
    return found.model_copy(update={"storage": storage})


@pytest.fixture(scope="module")
def paper(place: Machine) -> tuple[Prepared, Case]:
    ready = runs.prepare(RECIPES / "boba200.yaml", place)
    return ready, overview.case_of(ready)


def of(case: Case, name: str) -> Price:
    return next(one for _, one in case.priced if one.step.name == name)


def test_a_branch_by_hand(paper: tuple[Prepared, Case]) -> None:
    branch = of(paper[1], "mot/round-1/branches/qwq")
    tokens = 50 * 64 * 0.4 * 25_600
    assert branch.amount.trained == tokens
    flops = 4 * tokens * (2 * 7_568_097_280 + 2 * (36 * 32 * 128) * 10_240)
    assert branch.amount.flops == pytest.approx(flops, rel=1e-12)
    assert branch.seconds == pytest.approx(120 + flops / (8 * 989e12 * 0.35))
    assert branch.gpu_hours == 8 * branch.seconds / 3600


def test_an_evaluation_by_hand(paper: tuple[Prepared, Case]) -> None:
    scored = of(paper[1], "mot/round-1/evaluate")
    assert scored.amount.generations == 2 * 30 * 16
    assert scored.amount.generated == 30 * 16 * (14_000 + 16_000)
    seconds = scored.amount.generated / (8 * 20_000 / 7.568097280)
    assert scored.seconds == pytest.approx(180 + seconds)
    assert seconds > 38_912 / 60, "else the longest answer is what takes the time"


def test_teachers_and_merges_by_hand(paper: tuple[Prepared, Case]) -> None:
    asked = of(paper[1], "traces/qwen3-235b")
    assert asked.amount.generated == pytest.approx(200 * 1.6 * 0.35 * 32_768)
    merged = of(paper[1], "mot/round-1/merge")
    # Four branches and the merge, twice over for what the carry loses, seven with what is measured, two to check.
    assert merged.amount.moved == (5 + 5 + 7 + 2) * 2 * 8_190_735_360
    assert (merged.gpus, merged.gpu_hours) == (0, 0)


def with_place(case: Case, **changes: Any) -> Case:
    machine = case.ground.machine.model_copy(update=changes)
    return dataclasses.replace(case, ground=dataclasses.replace(case.ground, machine=machine))


def test_what_changes_the_work(paper: tuple[Prepared, Case]) -> None:
    case = paper[1]
    branch = of(case, "mot/round-1/branches/qwq")
    kept = with_place(case, train={**case.ground.machine.train, "disable_gradient_checkpointing": True})
    assert price(kept.ground, branch.step).amount.flops == pytest.approx(branch.amount.flops * 3 / 4)
    sft = {**case.ground.recipe.sft, "finetuning_type": "lora"}
    lora = dataclasses.replace(case.ground, recipe=case.ground.recipe.model_copy(update={"sft": sft}))
    assert price(lora, branch.step).amount.flops == pytest.approx(branch.amount.flops * 3 / 4)
    wide = dataclasses.replace(branch.step, nodes=4)
    assert price(case.ground, wide).seconds == pytest.approx(120 + (branch.seconds - 120) / 4 / 0.92**2)
    endpoint = machines.TeacherPlace(endpoint="http://127.0.0.1:1/v1", concurrency=10)
    asked = of(case, "traces/qwq")
    away = with_place(case, teachers={"qwq": endpoint})
    assert price(away.ground, dataclasses.replace(asked.step, gpus=0)).seconds == pytest.approx(
        300 + asked.amount.generated / 600
    )


def test_shards_take_turns_where_there_are_more_than_engines(paper: tuple[Prepared, Case]) -> None:
    case, scored = paper[1], of(paper[1], "mot/round-1/evaluate")
    single = scored.amount.generated / (20_000 / 7.568097280)  # on one GPU
    engine = case.ground.machine.eval.model_copy(update={"gpus_per_engine": 2, "model_args": {}})
    for shards, starts, gpus in ((1, 1, 2), (4, 1, 8), (6, 2, 8)):
        evaluation = case.ground.recipe.eval.model_copy(update={"shards": shards})
        recipe = case.ground.recipe.model_copy(update={"eval": evaluation})
        ground = dataclasses.replace(with_place(case, eval=engine).ground, recipe=recipe)
        assert price(ground, scored.step).seconds == pytest.approx(180 * starts + single / gpus)


def test_corpora_that_are_there_are_counted(place: Machine) -> None:
    before = runs.prepare(RECIPES / "boba200.yaml", place)
    store = Path(place.storage.runs) / ".store"
    folder = store / before.plan.prints["corpus/qwq"] / "out"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps({"kept": 10, "tokens": {"total": 87_650}}), encoding="utf-8")
    try:
        case = overview.case_of(before)
        assert of(case, "mot/round-1/branches/qwq").amount.trained == 50 * 64 * 8_765
        assert "a row has" not in " ".join(overview.priced([before]).assumed)
    finally:
        shutil.rmtree(store)


def together(place: Machine, *names: str) -> tuple[list[str], Estimate]:
    ready = [runs.prepare(RECIPES / f"{name}.yaml", place) for name in names]
    return [one.recipe.name for one in ready], overview.priced(ready)


def test_sharing_is_what_is_not_done_twice(place: Machine) -> None:
    _, both = together(place, "paper/qwen3-8b-boba200", "paper/qwen3-8b-boba200-no-r1")
    first, second = both.shared.alone
    assert both.shared.added[0].hours == first.hours
    assert both.whole.hours == pytest.approx(first.hours + both.shared.added[1].hours)
    assert 0 < both.shared.added[1].hours < second.hours
    assert both.shared.without == first.hours + second.hours
    assert any(line.startswith("sharing") for line in words.lines(both))


def test_side_by_side_takes_less_time_and_more_disk(place: Machine) -> None:
    _, one = together(place, "boba200")
    ray = place.model_copy(update={"executor": "ray", "nodes": 8, "steps": {"train": Resources(gpus=8)}})
    _, beside = together(ray, "boba200")
    assert one.seconds == one.whole.seconds
    assert beside.seconds < one.seconds / 4
    assert beside.whole.hours == one.whole.hours
    assert beside.most > one.most == one.disk.peak
    assert "side by side on 8 nodes of 8 GPUs (ray)" in "\n".join(words.lines(beside))


def test_what_is_too_dear_is_refused_with_what_is_dear(place: Machine) -> None:
    names, made = together(place, "boba200")
    budget.refuse(made, made.whole.hours, names)
    with pytest.raises(TooDear) as raised:
        budget.refuse(made, 10, names)
    said = str(raised.value)
    assert raised.value.exit_code == 7
    assert f"would take {words.hours(made.whole.hours)} GPU-hours, and --max-gpu-hours is 10" in said
    blocks = budget.blocks(made.whole.prices, gpus=True)
    assert list(blocks)[:2] == ["methods.std", "methods.mot"]
    assert sum(blocks.values()) == pytest.approx(made.whole.hours)
    assert f"methods.std {words.hours(blocks['methods.std'])}" in said
    names, made = together(place, "boba200", "s1k200")
    with pytest.raises(TooDear, match=r"these 2 recipes would take .*\n.*\n  by recipe +boba200 "):
        budget.refuse(made, 10, names)


def mot(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mot_plugin", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_the_commands_show_it_and_refuse(tmp_path: Path) -> None:
    recipe, machine = RECIPES / "boba200.yaml", RECIPES / "machines" / "8x80gb.yaml"
    shown = mot("plan", recipe, "-m", machine, "--max-gpu-hours", "10", cwd=tmp_path)
    assert shown.returncode == 7
    lines = shown.stdout.splitlines()
    for start in ("GPU-hours   ", "wall-clock  ", "tokens      ", "disk        ", "assumed     "):
        assert sum(line.startswith(start) for line in lines) == 1, start
    assert shown.stderr.startswith("error: recipe boba200 would take ")
    refused = mot("run", recipe, "-m", machine, "--max-gpu-hours", "10", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (7, shown.stderr)
    assert not (tmp_path / "runs").exists()
    cost = json.loads(mot("plan", recipe, "-m", machine, "--json", cwd=tmp_path).stdout)["cost"]
    assert (cost["optimizer_steps"], cost["evaluated_models"], cost["evaluation_generations"]) == (2250, 31, 29_760)
    assert cost["gpu_hours"] == pytest.approx(sum(cost["hours_by_kind"].values()), abs=0.01)


def test_a_machine_file_says_how_fast_it_is(tmp_path: Path) -> None:
    file = tmp_path / "machine.yaml"
    file.write_text("name: here\ngpus: 8\ncosts: {peak_tflops: 312, startup_seconds: {train: 60}}\n", encoding="utf-8")
    found = machines.load(file)
    assert (found.costs.peak_tflops, found.costs.startup("train"), found.costs.startup("merge")) == (312, 60, 30)
    file.write_text("name: here\ngpus: 8\ncosts: {peak_tflop: 312, mfu: 1.5}\n", encoding="utf-8")
    with pytest.raises(FileError, match=r"line 3 +costs\.mfu"):
        machines.load(file)


# The guide and the tables


def test_the_guide_names_every_constant_with_its_default() -> None:
    text = (ROOT / "docs" / "costs.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, flags=re.MULTILINE))
    assert rows.keys() == Rates.model_fields.keys()
    for name, value in Rates().model_dump().items():
        if isinstance(value, float | int):
            assert rows[name] == str(value), name
    startup = dict(pair.rsplit(" ", 1) for pair in rows["startup_seconds"].split(", "))
    assert {("others" if kind == "*" else kind): f"{value:g}" for kind, value in STARTUP.items()} == startup
    listed = re.findall(r"^\| ([\d,]+) \| (.*?) \|$", text, flags=re.MULTILINE)
    means = {task: float(tokens.replace(",", "")) for tokens, tasks in listed for task in tasks.split(", ")}
    for task, tokens in answers.TOKENS.items():
        assert means[re.sub(r"^mot_|_64$|_tenth$|(?<=quickstart)_\w+$", "", task)] == tokens, task


def test_every_task_has_as_many_problems_as_its_loader_insists_on() -> None:
    assert answers.PROBLEMS.keys() == answers.TOKENS.keys() == lm_eval.names(catalogue.files()).keys()
    counts = {
        "mot_aime24": loaders.AIME[2024],
        "mot_aime25": loaders.AIME[2025],
        "mot_ceval": choice_loaders.CEVAL,
        "mot_supergpqa": choice_loaders.SUPERGPQA,
        "mot_mmlu_pro": choice_loaders.MMLU_PRO,
        "mot_mmlu_redux": choice_loaders.MMLU_REDUX,
        "mot_gpqa_diamond": choice_loaders.GPQA,
        "mot_phybench": maths_loaders.PHYBENCH,
        "mot_math500": maths_loaders.MATH500,
        "mot_hmmt": maths_loaders.HMMT,
        "mot_ifeval": text_loaders.IFEVAL,
        "mot_simpleqa": text_loaders.SIMPLEQA[4326],
    }
    assert {task: answers.PROBLEMS[task] for task in counts} == {task: one.count for task, one in counts.items()}
    for task, file in (("mot_quickstart", "problems"), ("mot_quickstart_one_step", "one_step")):
        rows = (RECIPES / "quickstart" / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
        assert answers.PROBLEMS[task] == len(rows)
    assert answers.PROBLEMS["mot_quickstart_probe"] * 4 == answers.PROBLEMS["mot_quickstart"]


def test_numbers_as_people_say_them() -> None:
    spans = {41: "41 s", 700: "12 min", 73_800: "20 h 30 min", 1_055_000: "12 days 5 h", 5.6e9: "178 years"}
    assert {seconds: words.duration(seconds) for seconds in spans} == spans
    assert [words.count(value) for value in (9_840, 1.5e7, 1.4745e9)] == ["9,840", "15 million", "1.47 billion"]
    assert [words.size(value) for value in (4e3, 2.13e11, 2.69e12)] == ["4 kB", "213 GB", "2.69 TB"]
    assert [words.hours(value) for value in (2347.1, 92.61, 0.314)] == ["2,347", "92.6", "0.31"]
