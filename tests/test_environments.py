"""Where a tool lives: what each kind comes down to, what a container is told, and which Python is asked for versions."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin import environments, machine, presence
from mot_plugin.environments import Tool
from mot_plugin.processes import MARK, SUPERVISOR, locate
from mot_plugin.shipping import versions
from mot_plugin.spread import ADDRESS
from mot_plugin.tools import call
from mot_plugin.tools.call import beside, filled, neighbours_first, outermost


def started(*, gpus: bool = False, **said: Any) -> environments.Started:
    return environments.started("lm_eval", Tool.model_validate(said), gpus=gpus)


def test_each_kind_is_a_command() -> None:
    assert started().command == ["lm_eval"]
    assert started(command=["srun", "lm_eval"]).command == ["srun", "lm_eval"]
    assert started(venv="/opt/e").command == started(conda="/opt/e").command == ["/opt/e/bin/lm_eval"]
    assert started(venv="/opt/e", env={"A": "b"}).env == {"VIRTUAL_ENV": "/opt/e", "A": "b"}
    assert started(conda="/opt/e").env == {"CONDA_PREFIX": "/opt/e"}
    line = ["bash", "-lc", 'module load cuda/12.8 vllm/0.28 && exec "$@"', "bash", "lm_eval"]
    assert started(module=["cuda/12.8", "vllm/0.28"]).command == line
    assert started(module=["a b"]).command[2].startswith("module load 'a b' &&")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"venv": "/e"},
        {"conda": "/e"},
        {"module": ["m"]},
        {"container": {"image": "/i.sif"}},
        {"container": {"image": "i", "runtime": "podman"}},
    ],
)
def test_another_program_of_the_same_environment(said: dict[str, Any]) -> None:
    *before, last = started(**said).command
    assert beside([*before, last], "torchrun") == [*before, last.replace("lm_eval", "torchrun")]


def test_gpus_are_handed_to_a_container_once() -> None:
    image = {"image": "/i.sif"}
    assert "--nv" not in started(container=image).command
    assert started(gpus=True, container=image).command.count("--nv") == 1
    assert "--nv" not in started(gpus=True, container={**image, "flags": ["--rocm"]}).command
    podman = {"image": "i", "runtime": "podman"}
    assert "--device=nvidia.com/gpu=all" in started(gpus=True, container=podman).command
    given = started(gpus=True, container={**podman, "flags": ["--gpus=2"]}).command
    assert given[-3:] == ["--gpus=2", "i", "lm_eval"] and "--device=nvidia.com/gpu=all" not in given


def test_a_container_is_told_folders_and_the_names_of_variables() -> None:
    apptainer = started(container={"image": "/i.sif"}).command
    assert filled(apptainer, ["/store", "/run/a"], "/run", {"KEY": "secret"}) == [
        *("apptainer", "exec", "--pwd=/run", "--bind=/run", "--bind=/store", "/i.sif", "lm_eval")
    ]
    podman = filled(
        started(container={"image": "i", "runtime": "podman"}).command,
        ["/store"],
        "/run",
        {"KEY": "secret", "PATH": "x"},
    )
    assert {"--workdir=/run", "--volume=/run:/run", "--volume=/store:/store", "--env=KEY"} <= set(podman)
    assert {f"--env={name}" for name in call.HANDED} <= set(podman)
    assert not any("secret" in word or word == "--env=PATH" or "{" in word for word in podman)
    assert {MARK, SUPERVISOR} <= set(call.HANDED)
    assert ADDRESS not in call.HANDED  # what the supervisor alone reads


def test_words_of_other_commands_stay() -> None:
    argv = ["echo", "{folders}", "--bind={folders}/x", "{here}", "--env={name}"]
    assert filled(argv, ["/a"], "/b", ["C"]) == argv


paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(folders=st.lists(paths, max_size=8))
def test_nothing_is_bound_twice_and_nothing_is_left_out(folders: list[str]) -> None:
    kept = outermost(folders)
    assert set(kept) <= set(folders) and len(set(kept)) == len(kept)
    for folder in folders:
        assert sum(Path(folder).is_relative_to(one) for one in kept) == 1


def test_neighbours_are_found_first() -> None:
    assert neighbours_first("/opt/e/bin/llamafactory-cli", "/usr/bin:/bin") == "/opt/e/bin:/usr/bin:/bin"
    assert neighbours_first("/usr/bin/apptainer", "/usr/bin:/bin") == neighbours_first("x", "/usr/bin:/bin")


def test_relative_places_start_where_the_command_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(
        "name: x\ntools:\n  lm_eval: {venv: e}\n  mergekit-yaml: {conda: ~/c}\n  llamafactory-cli: {container: {image: i.sif}}\n"
        "  vllm: {container: {image: 'docker://vllm/vllm'}}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    made = machine.load(file)
    assert made.tool("lm_eval").command == [f"{Path.cwd()}/e/bin/lm_eval"]
    assert made.tool("mergekit-yaml").command == ["/home/somebody/c/bin/mergekit-yaml"]
    assert made.tool("llamafactory-cli").command[-2:] == [f"{Path.cwd()}/i.sif", "llamafactory-cli"]
    assert made.tool("vllm").command[-2:] == ["docker://vllm/vllm", "vllm"]
    again = machine.Machine.model_validate_json(made.model_dump_json(), strict=False)
    assert again == made


def test_what_is_there_is_not_missing(tmp_path: Path) -> None:
    def lost(**said: Any) -> list[str]:
        place = machine.Machine(name="x", tools={"lm_eval": Tool.model_validate(said)})
        return presence.lost(place, ["lm_eval"], locate)

    assert lost(venv=str(tmp_path)) == [f"tools.lm_eval.venv: {tmp_path} has no bin/lm_eval: install it there"]
    assert lost(conda=str(tmp_path / "gone")) == [f"tools.lm_eval.conda: {tmp_path}/gone is not there"]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "lm_eval").touch()
    assert lost(venv=str(tmp_path)) == lost(conda=str(tmp_path)) == []
    assert lost(command=["no-such-program"]) == ["lm_eval: no program 'no-such-program' on PATH or beside this Python"]
    (said,) = lost(module=["nowhere/1"], env={"HOME": str(tmp_path)})
    assert said.startswith("tools.lm_eval.module: nowhere/1: ")


def test_versions_are_asked_where_the_program_runs(tmp_path: Path) -> None:
    """The launcher is written in our Python; what it starts is a script of another one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "inside")], check=True)
    tool, launcher = tmp_path / "inside" / "bin" / "lm_eval", tmp_path / "srun"
    tool.write_text(f"#!{tmp_path}/inside/bin/python\n", encoding="utf-8")
    launcher.write_text(f"#!{sys.executable}\nimport os, sys\nos.execvp(sys.argv[1], sys.argv[1:])\n", encoding="utf-8")
    tool.chmod(0o755)
    launcher.chmod(0o755)
    env = {"PATH": f"{tool.parent}:{os.defpath}"}
    found = versions.of([str(launcher), "lm_eval"], env)
    assert found["python"] and "pydantic" not in found and "mot-plugin" not in found
    assert versions.of([str(launcher), "gone"], env) == {}
