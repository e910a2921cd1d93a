"""The real command in a process of its own: exit codes, messages, how soon they come, and what is loaded for them."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "recipes"
TINY, MACHINE = Path(__file__).parent / "golden" / "tiny.yaml", Path(__file__).parent / "golden" / "machine.yaml"
COMMAND = Path(sys.executable).parent / "mot-plugin"

# Seconds to import, or whole environments that a planner does not have.
HEAVY = set(
    "torch transformers datasets numpy pandas pyarrow matplotlib scipy sympy vllm lm_eval llamafactory mergekit "
    "deepspeed accelerate safetensors tokenizers huggingface_hub httpx jinja2 math_verify".split()
)


def mot(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "mot_plugin", *map(str, arguments)]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)


def imported(arguments: Sequence[object], cwd: Path) -> set[str]:
    """Top-level names of every module that a command loads."""
    argv = [sys.executable, "-X", "importtime", "-m", "mot_plugin", *map(str, arguments)]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.split("\n") if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def seconds(arguments: Sequence[object], cwd: Path) -> float:
    """The best of three, of the processor's time: other processes may be busy."""
    taken = []
    for _ in range(3):
        start = resource.getrusage(resource.RUSAGE_CHILDREN)
        mot(*arguments, cwd=cwd)
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime)
    return min(taken)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A recipe with three mistakes."""
    text = TINY.read_text(encoding="utf-8").replace("rounds: 2", "rounds: 0").replace("traces: traces/qwq", "path: qwq")
    file = tmp_path / "bad.yaml"
    file.write_text(text.replace("  bf16: true", "  output_dir: x"), encoding="utf-8")
    return file


def test_a_bad_recipe_says_everything_and_exits_with_2(bad: Path) -> None:
    for command in ("plan", "run"):
        done = mot(command, "bad.yaml", cwd=bad.parent)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr == (
            "error: bad.yaml has 3 errors\n"
            "  line 7    teachers.qwq.path: unknown key\n"
            "  line 12   methods.mot.rounds: must be at least 1, got 0\n"
            "  line 24   sft.output_dir: set by the plan, not by a recipe\n"
        )
    assert [file.name for file in bad.parent.iterdir()] == ["bad.yaml"]


def test_a_bad_recipe_says_the_same_every_time(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    said = {
        subprocess.run(
            [sys.executable, "-m", "mot_plugin", "plan", "empty.yaml"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=False,
        ).stderr
        for seed in range(4)
    }
    assert len(said) == 1


def test_a_bad_machine_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("name: m\ngpu: 8\n", encoding="utf-8")
    done = mot("plan", TINY, "-m", "m.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "error: m.yaml has 1 error\n  line 2    gpu: unknown key, did you mean 'gpus'?\n",
    )


def test_a_batch_that_does_not_split_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("name: m\ngpus: 3\n", encoding="utf-8")
    done = mot("plan", TINY, "-m", "m.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: recipe tiny on machine 'm': global_batch_size 16 is not a multiple of 3")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("merge", "liner", "no mergekit file 'liner'"),
        ("merge", "broken.yaml", "broken.yaml is not valid YAML"),
        ("merge", "typo.yaml", "mergekit would silently ignore outdtype"),
        ("merge", "words.yaml", "must be `model: branches/<name>`"),
    ],
)
def test_a_bad_merge_file_exits_with_2(tmp_path: Path, key: str, value: str, said: str) -> None:
    (tmp_path / "broken.yaml").write_text("models: [\n", encoding="utf-8")
    head = "merge_method: linear\ndtype: float32\nout_dtype: bfloat16\n"
    (tmp_path / "typo.yaml").write_text(head + "outdtype: x\nmodels: [{model: branches/a}]\n", encoding="utf-8")
    (tmp_path / "words.yaml").write_text(head + "models: [branches/a]\n", encoding="utf-8")
    text = TINY.read_text(encoding="utf-8").replace(f"{key}: linear", f"{key}: {value}")
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    done = mot("plan", "recipe.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_file(tmp_path: Path) -> None:
    done = mot("plan", "boba200", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: boba200: no such file. Shipped recipes: boba200")
    done = mot("plan", TINY, "-m", "absent.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: absent.yaml: no such file\n")
    done = mot("status", "runs/absent", cwd=tmp_path)
    assert done.returncode == 2
    assert "is not a run folder" in done.stderr
    done = mot("plan", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_missing_inputs_stop_a_run_before_it_starts(tmp_path: Path) -> None:
    shutil.copy(TINY, tmp_path / "tiny.yaml")
    done = mot("run", "tiny.yaml", "-m", MACHINE, cwd=tmp_path)
    assert done.returncode == 6
    for missing in ("student", "traces/qwq.jsonl", "traces/deepseek-r1.jsonl"):
        assert f"{tmp_path}/{missing}" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_plan_for_programs(tmp_path: Path) -> None:
    done = mot("plan", RECIPES / "boba200.yaml", "-m", MACHINE, "--json", cwd=tmp_path)
    steps = json.loads(done.stdout)["steps"]
    assert len(steps) == 84
    assert {step["state"] for step in steps} == {"todo"}
    assert len({step["fingerprint"] for step in steps}) == 84
    (merge,) = [step for step in steps if step["name"] == "mot/round-5/merge"]
    assert set(merge) == {"name", "kind", "method", "needs", "gpus", "fingerprint", "state", "why"}
    assert "mot/round-5/branches/deepseek-r1" in merge["needs"]


def test_a_plan_for_people(tmp_path: Path) -> None:
    done = mot("plan", RECIPES / "boba200.yaml", cwd=tmp_path)
    assert done.returncode == 0
    assert "mot/round-5/select" in done.stdout
    assert "5 corpora, 25 trainings (20 MoT branches, 5 baselines), 5 merges, 31 evaluated models" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_shipped_recipes_are_listed_and_copied(tmp_path: Path) -> None:
    listed = mot("recipes", cwd=tmp_path).stdout
    for word in ("boba200", "s1k200", "8x80gb", "linear", "mot_aime24"):
        assert f"\n  {word} " in listed
    assert mot("recipes", "--copy", "boba200", "--to", "mine", cwd=tmp_path).returncode == 0
    assert (tmp_path / "mine" / "boba200.yaml").read_bytes() == (RECIPES / "boba200.yaml").read_bytes()
    again = mot("recipes", "--copy", "boba200", "--to", "mine", cwd=tmp_path)
    assert (again.returncode, "is already there" in again.stderr) == (2, True)
    wrong = mot("recipes", "--copy", "bobba200", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (2, "error: no recipe 'bobba200', did you mean 'boba200'?\n")


def test_the_paper_s_recipes_are_copied_together_or_one_by_one(tmp_path: Path) -> None:
    assert mot("recipes", "--copy", "paper", "--to", "mine", cwd=tmp_path).returncode == 0
    copied = sorted(file.name for file in (tmp_path / "mine" / "paper").iterdir())
    assert copied == sorted(file.name for file in (RECIPES / "paper").iterdir())
    assert mot("recipes", "--copy", "qwen3-8b-boba200-no-r1", "--to", "one", cwd=tmp_path).returncode == 0
    assert [file.name for file in (tmp_path / "one" / "paper").iterdir()] == ["qwen3-8b-boba200-no-r1.yaml"]
    assert mot("recipes", "--copy", "quickstart-probe", "--to", "quick", cwd=tmp_path).returncode == 0
    assert (tmp_path / "quick" / "quickstart" / "student" / "config.json").is_file()
    again = mot("recipes", "--copy", "paper", "--to", "mine", cwd=tmp_path)
    assert (again.returncode, "nothing was copied" in again.stderr) == (2, True)


def test_the_installed_command_is_the_module(tmp_path: Path) -> None:
    done = subprocess.run([COMMAND, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == mot("--version", cwd=tmp_path).stdout
    assert done.stdout.startswith("mot-plugin ")


def test_nothing_heavy_is_imported(tmp_path: Path, bad: Path) -> None:
    for arguments in (("plan", RECIPES / "boba200.yaml"), ("plan", bad), ("recipes",), ("--help",)):
        names = imported(arguments, tmp_path)
        assert "typer" in names
        assert "pydantic" in names or arguments[0] != "plan"
        assert not names & HEAVY, arguments


def test_answers_come_at_once(tmp_path: Path, bad: Path, record_property: Callable[[str, object], None]) -> None:
    for name, arguments in (("plan", ("plan", RECIPES / "boba200.yaml")), ("mistake", ("plan", bad))):
        taken = seconds(arguments, tmp_path)
        record_property(f"{name}_seconds", round(taken, 3))
        print(f"{name}: {taken:.2f} s")
        assert taken < 1.0, name
