"""`mot-plugin doctor` as a command: what it prints, its exit code, how it looks, what it does not load."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from doctor_place import Place
from rich.console import Console

from mot_plugin.doctor import shown
from mot_plugin.doctor.finding import error, ok, unknown, warning
from mot_plugin.errors import MissingTool

pytestmark = pytest.mark.process
QUICKSTART = Path(__file__).parents[2] / "recipes" / "quickstart.yaml"
HEAVY = {"torch", "transformers", "datasets", "llamafactory", "vllm", "matplotlib", "ray"}


def doctor(place: Place, *arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, *options, "-m", "mot_plugin", "doctor", *arguments]
    return subprocess.run(argv, cwd=place.world.root, capture_output=True, text=True, check=False)


def test_the_quickstart_can_start_here(place: Place) -> None:
    said = doctor(place, str(QUICKSTART), options=("-X", "importtime"))
    assert said.returncode == 0, said.stdout
    last = said.stdout.strip().split("\n")[-1]
    assert last.endswith(" ok, 0 warnings, 0 errors"), said.stdout
    assert "\x1b" not in said.stdout, "no colours in a pipe"
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in said.stderr.split("\n") if "|" in line}
    assert "mot_plugin" in loaded
    assert not HEAVY & loaded


def test_exit_codes_are_those_of_run(place: Place) -> None:
    place.machine(tools={"lm_eval": {"command": ["no-such-lm-eval"]}})
    said = doctor(place, "tiny.yaml", "-m", "machine.yaml")
    assert said.returncode == 5
    assert (
        "  error    lm_eval: no program 'no-such-lm-eval' on PATH or beside this Python\n           -> pip install"
        in said.stdout
    )
    assert said.stdout.strip().split("\n")[-1].endswith("0 warnings, 1 error")
    said = doctor(place, "no.yaml")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("error: no.yaml: no such file.")


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (lambda place: place.machine(tools={"lm_eval": {"command": ["no-such-lm-eval"]}}), 5),
        (lambda place: place.recipe(student="./nobody"), 6),
        (lambda place: place.machine(train={"per_device_train_batch_size": 3}), 2),
        (lambda place: place.machine(storage={"mirror": "s4://bucket"}), None),
    ],
    ids=["tool", "student", "batch", "mirror"],
)
def test_what_run_refuses_is_an_error_here(place: Place, broken: Callable[[Place], None], code: int | None) -> None:
    broken(place)
    refused = place.world.run()
    said = doctor(place, "tiny.yaml", "-m", "machine.yaml")
    assert refused.returncode == said.returncode == (code or said.returncode) > 0, refused.stderr
    assert not (place.world.root / "starts.jsonl").exists(), "no tool was started"


def test_for_programs(place: Place) -> None:
    said = doctor(place, "tiny.yaml", "-m", "machine.yaml", "--json")
    told = json.loads(said.stdout)
    assert told["counts"] == {"ok": len(told["findings"]), "warning": 0, "error": 0, "unknown": 0}
    assert {one["family"] for one in told["findings"]} >= {"files", "tools", "disk", "ports"}
    assert all(one["remedy"] is None for one in told["findings"])


def test_another_executor(place: Place) -> None:
    said = doctor(place, "-m", "machine.yaml", "--executor", "pbs")
    assert said.returncode == 2
    assert "no executor 'pbs'" in said.stdout
    assert "nothing else can be looked at before" in said.stdout


def test_colours_on_a_terminal() -> None:
    told = [
        ("tools", ok("a", "[there]")),
        ("tools", warning("b", "old", "renew it")),
        ("disk", error("c", "full\nof things", "empty it", MissingTool)),
        ("disk", unknown("d", "far away")),
    ]
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system="standard", width=80)
    assert shown.exit_code(shown.show(console, told)) == 5
    text = screen.getvalue()
    assert "\x1b[32mok     \x1b[0m  a: [there]" in text
    assert "\x1b[33mwarning\x1b[0m  b: old" in text
    assert "\x1b[31merror  \x1b[0m  c: full\n           of things\n" in text
    assert "\x1b[31m-> \x1b[0mempty it" in text
    assert "1 ok, 1 warning, 1 error, 1 not to be told from here" in text
