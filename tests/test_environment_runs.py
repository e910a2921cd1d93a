"""Whole runs in which every tool lives somewhere else: what is started, what is recorded, what is refused, what is left."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_world import FAKES, World, make_world, wait_for

from mot_plugin.environments import Tool, started
from mot_plugin.teachers.serve import serving
from mot_plugin.tools.call import BINDS

pytestmark = pytest.mark.process

PROFILE = """
module() {
  [ "$1" = load ] || return 1
  shift
  for name in "$@"; do
    [ -d "$MODULES/$name" ] || { echo "Unable to locate a modulefile for '$name'" >&2; return 1; }
    PATH=$MODULES/$name/bin:$PATH
  done
}
"""


def program(folder: Path, name: str, python: str = sys.executable, check: str = "") -> None:
    """A fake tool as an environment has it: a script that names the environment's own Python."""
    folder.mkdir(parents=True, exist_ok=True)
    start = f"os.execv({sys.executable!r}, [{sys.executable!r}, {str(FAKES / name)!r}, *sys.argv[1:]])"
    (folder / name).write_text(f"#!{python}\nimport os, sys\n{check}\n{start}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


def package(python: Path, name: str, version: str) -> None:
    """Let a Python without pip say that it has a package."""
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    where = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    info = where / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")


def venv(folder: Path, name: str, version: str) -> Path:
    """A real virtual environment with a package; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    package(python, name, version)
    return python


def settings(root: Path) -> dict[str, Any]:
    """One tool in each kind of environment, all of them new."""
    trainer = venv(root / "train-env", "llamafactory", "0.9.5")
    inside = "assert os.environ['VIRTUAL_ENV'] == sys.prefix"
    program(root / "train-env" / "bin", "llamafactory-cli", str(trainer), inside)
    merger = venv(root / "modules" / "merge" / "0.1", "mergekit", "0.1.5")
    program(root / "modules" / "merge" / "0.1" / "bin", "mergekit-yaml", str(merger))
    answerer = venv(root / "lm_eval.sandbox", "lm-eval", "0.4.13")
    program(root / "lm_eval.sandbox" / "bin", "lm_eval", str(answerer))
    (root / "home").mkdir()
    (root / "home" / ".bash_profile").write_text(PROFILE, encoding="utf-8")
    modules = {"HOME": str(root / "home"), "MODULES": str(root / "modules")}
    return {
        "llamafactory-cli": {"venv": "train-env"},
        "mergekit-yaml": {"module": ["merge/0.1"], "env": modules},
        "lm_eval": {
            "container": {"image": "lm_eval.sandbox", "flags": ["--nv"]},
            "env": {"FAKE_CONTAINERS": str(root / "containers.jsonl")},
        },
    }


def containers(world: World) -> list[dict[str, Any]]:
    file = world.root / "containers.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait for a while to be noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def runtimes() -> Iterator[None]:
    """The container runtimes on PATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{FAKES / 'containers'}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory, runtimes: None) -> World:
    """A finished run with every tool somewhere else."""
    world = make_world(tmp_path_factory.mktemp("environments") / "world", rounds=1)
    tools = settings(world.root)
    world.edit(lambda machine: machine.update(tools=tools), "machine.yaml")
    done = world.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return world


def test_a_run_ends_as_if_all_tools_were_here(spread: World, tmp_path: Path) -> None:
    """The same fingerprints, so another run with the tools on PATH has nothing to do."""
    spread.edit(lambda machine: machine.pop("tools"), "machine.yaml", "plain.yaml")
    said = spread.mot("plan", "tiny.yaml", "--machine", "plain.yaml", "--json")
    assert {row["state"] for row in json.loads(said.stdout)["steps"]} == {"done"}
    assert {row["tool"] for row in spread.log()} == {"llamafactory-cli", "mergekit-yaml", "lm_eval"}


def test_a_container_sees_the_run_the_store_and_the_inputs(spread: World) -> None:
    started = [row for row in containers(spread) if row["command"][0] == "lm_eval"]
    assert len(started) == spread.starts("lm_eval") >= 2
    for row in started:
        assert row["image"] == str(spread.root / "lm_eval.sandbox")
        assert f"--pwd={spread.run_folder.resolve()}" in row["flags"] and row["flags"].count("--nv") == 1
        bound = [Path(flag.removeprefix("--bind=")) for flag in row["flags"] if flag.startswith("--bind=")]
        needed = [spread.run_folder, spread.runs / ".store", spread.root / "student", spread.root / "anna.jsonl"]
        assert all(any(place.resolve().is_relative_to(one) for one in bound) for place in needed), bound


def test_every_environment_is_asked_for_its_versions(spread: World) -> None:
    records = spread.records()
    said = {name: record["tools"] for name, record in records.items()}
    assert said["mot/round-1/branches/anna"]["llamafactory-cli"]["llamafactory"] == "0.9.5"
    assert said["mot/round-1/merge"]["mergekit-yaml"]["mergekit"] == "0.1.5"
    assert said["mot/round-1/evaluate"]["lm_eval"]["lm-eval"] == "0.4.13"
    assert "torch" not in said["mot/round-1/evaluate"]["lm_eval"], "that is ours"


def test_an_evaluation_by_hand_starts_the_container_too(spread: World) -> None:
    before = len(containers(spread))
    asked = ("evaluate", "student", "--tasks", "mot_aime24", "--seed", "9", "--machine", "machine.yaml")
    done = spread.mot(*asked)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = containers(spread)[before:]
    assert f"--pwd={spread.root.resolve()}" in row["flags"] and f"--bind={spread.root.resolve()}" in row["flags"]


def test_a_teacher_is_served_from_a_container(tmp_path: Path, runtimes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """By podman, with nothing of our environment but what the step hands in; the server ends with the step."""
    program(tmp_path / "images" / "served" / "bin", "vllm")
    monkeypatch.setenv("FAKE_IMAGES", str(tmp_path / "images"))
    monkeypatch.setenv("FAKE_CONTAINERS", str(tmp_path / "containers.jsonl"))
    monkeypatch.setenv(BINDS, str(tmp_path))
    tool = Tool.model_validate({"container": {"image": "served", "runtime": "podman"}})
    args = ["serve", "model", "--served-model-name", "m", "--host", "127.0.0.1", "--port", "{port}"]
    args += ["--generation-config", "vllm"]
    env = {"FAKE_LOG": str(tmp_path / "starts.jsonl"), "MOT_PLUGIN_STEP": "served"}
    with serving(started("vllm", tool, gpus=False).command, args, env=env, log=tmp_path / "log") as server:
        server.check()
        (row,) = [json.loads(line) for line in (tmp_path / "starts.jsonl").read_text(encoding="utf-8").splitlines()]
        assert is_alive(row["pid"])
    wait_for(lambda: not is_alive(row["pid"]))
    (said,) = [json.loads(line) for line in (tmp_path / "containers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {f"--volume={tmp_path}:{tmp_path}", "--env=FAKE_LOG"} <= set(said["flags"])


@pytest.mark.parametrize("step", ["mot/round-1/branches/anna", "mot/round-1/merge"])
def test_the_recorded_command_can_be_pasted(spread: World, step: str) -> None:
    """As it is, into a shell that knows nothing: the tool starts again with the same arguments."""
    logged = (spread.run_folder / "logs" / f"{step}.log").read_text(encoding="utf-8").splitlines()
    pasted = next(line for line in logged if line.startswith("$ ") and ("train configs" in line or "mergekit" in line))
    assert f"cd {spread.run_folder.resolve()} && " in pasted
    bare = {"PATH": f"{FAKES / 'containers'}:{os.defpath}", "FAKE_LOG": str(spread.root / "pasted.jsonl")}
    line = pasted.removeprefix("$ ")
    done = subprocess.run(["bash", "-c", line], env=bare, capture_output=True, text=True, check=False)
    log = spread.root / "pasted.jsonl"
    assert log.exists(), done.stderr
    first = next(row for row in map(json.loads, log.read_text(encoding="utf-8").splitlines()) if row["tool"] in line)
    assert line.endswith(shlex.join(first["argv"]))


def test_what_is_missing_is_said_at_once_before_the_start(world: World, runtimes: None) -> None:
    (world.root / "half").mkdir()
    (world.root / "home").mkdir()
    (world.root / "home" / ".bash_profile").write_text(PROFILE, encoding="utf-8")
    home = {"HOME": str(world.root / "home"), "MODULES": str(world.root)}
    tools = {
        "llamafactory-cli": {"venv": "half"},
        "mergekit-yaml": {"module": ["merge/9"], "env": home},
        "lm_eval": {"container": {"image": "gone.sif", "runtime": "apptainer"}},
    }
    world.edit(lambda machine: machine.update(tools=tools), "machine.yaml")
    done = world.run()
    assert done.returncode != 0
    said = done.stderr.splitlines()
    root = world.root.resolve()
    assert "error: tools are missing" in said[0]
    assert f"  tools.llamafactory-cli.venv: {root}/half has no bin/llamafactory-cli: install it there" in said
    assert "  tools.mergekit-yaml.module: merge/9: Unable to locate a modulefile for 'merge/9'" in said
    assert f"  tools.lm_eval.container.image: {root}/gone.sif is not there" in said
    assert not world.log() and not (world.run_folder / "plan.json").exists()


def test_a_container_does_not_outlive_its_client(world: World, runtimes: None) -> None:
    """podman's container goes on when its client is killed: it has ended before the step is tried again."""
    program(world.root / "images" / "trainer" / "bin", "llamafactory-cli")
    fakes = {name: value for name, value in world.environment().items() if name.startswith("FAKE_")}
    env = {**fakes, "FAKE_IMAGES": str(world.root / "images"), "FAKE_CONTAINERS": str(world.root / "containers.jsonl")}
    tool = {"container": {"image": "trainer", "runtime": "podman"}, "env": env}
    world.edit(lambda machine: machine["tools"].update({"llamafactory-cli": tool}), "machine.yaml")
    world.fault("llamafactory-cli", "slow", match="anna", seconds=600)
    process = world.start()
    try:
        wait_for(lambda: world.starts("llamafactory-cli", "anna"))
        hanging = world.log()[-1]["pid"]
        os.kill(containers(world)[-1]["client"], signal.SIGKILL)
        assert is_alive(hanging)
        wait_for(lambda: world.starts("llamafactory-cli", "anna") > 1)
        assert not is_alive(hanging)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    finally:
        process.kill()
        world.end_all()
    started = containers(world)[-1]
    assert {"--rm", "--init", "--network=host", "--entrypoint="} <= set(started["flags"])
