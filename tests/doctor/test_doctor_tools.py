"""Tools and their versions, each in the environment that its own command starts."""

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from doctor_place import Place, Venv

from mot_plugin.doctor import known


def test_a_tool_that_is_missing(place: Place) -> None:
    place.machine(tools={"lm_eval": {"command": ["no-such-lm-eval"]}})
    wrong = place.told()["lm_eval"]
    assert (wrong.level, wrong.code) == ("error", 5)
    assert wrong.found == "no program 'no-such-lm-eval' on PATH or beside this Python"
    assert wrong.remedy == (
        "pip install 'mot-plugin[eval]', or say where it is: tools: {lm_eval: {venv: FOLDER}} in the machine file"
    )


def test_a_version_that_does_not_work(place: Place, venv: Venv) -> None:
    venv.has(llamafactory="0.9.5", transformers="5.17.0", datasets="4.1.0", torch="2.13.0")
    place.machine(tools={"llamafactory-cli": {"command": [venv.command("llamafactory-cli")]}})
    told = place.told()
    assert told["llamafactory-cli"].found == f"0.9.5, transformers 5.17.0, torch 2.13.0 in {venv.python}"
    for package, version, take in (("transformers", "5.17.0", "5.5.4"), ("datasets", "4.1.0", "4.0.0")):
        wrong = told[package]
        assert (wrong.level, wrong.remedy) == ("error", f"{venv.python} -m pip install {package}=={take}")
        assert wrong.found == f"{version} in {venv.python}: LLaMA-Factory 0.9.5 ends at its start with it"
    assert told["chat template"].level == "unknown", "there is no source of LLaMA-Factory in that environment"


def test_tools_of_one_environment_are_complained_about_once(place: Place, venv: Venv) -> None:
    venv.has(llamafactory="0.9.5", mergekit="0.1.5", transformers="4.54.0")
    names = "llamafactory-cli", "mergekit-yaml"
    place.machine(tools={name: {"command": [venv.command(name)]} for name in names})
    from mot_plugin.doctor import checks

    told = [one.found for _, one in checks.examine(place.world.root / "tiny.yaml", place.world.root / "machine.yaml")]
    assert len([said for said in told if said.startswith("4.54.0 in")]) == 2, "one reason of each tool"


def test_an_environment_without_the_tool_itself(place: Place, venv: Venv) -> None:
    place.machine(tools={"mergekit-yaml": {"command": [venv.command("mergekit-yaml")]}})
    wrong = place.told()["mergekit-yaml"]
    assert (wrong.level, wrong.code, wrong.remedy) == ("error", 5, f"{venv.python} -m pip install mergekit==0.1.5")


def test_an_untried_version_is_a_warning(place: Place, venv: Venv) -> None:
    venv.has(mergekit="0.1.6", transformers="5.5.4")
    place.machine(tools={"mergekit-yaml": {"command": [venv.command("mergekit-yaml")]}})
    wrong = place.told()["mergekit-yaml"]
    assert (wrong.level, wrong.found) == ("warning", f"0.1.6 in {venv.python}; tried is ==0.1.5")


def test_scorers_must_be_where_lm_eval_is(place: Place, venv: Venv) -> None:
    venv.has(lm_eval="0.4.13")
    place.machine(tools={"lm_eval": {"command": [venv.command("lm_eval")]}})
    wrong = place.told()["mot-plugin beside lm_eval"]
    assert (wrong.level, wrong.code) == ("error", 5)
    assert wrong.remedy.startswith(f"{venv.python} -m pip install mot-plugin==")


def test_engines_for_gpus(place: Place, venv: Venv) -> None:
    place.program("nvidia-smi", "printf 'NVIDIA H100, 81559, 81000\\nNVIDIA H100, 81559, 81000\\n'")
    venv.has(lm_eval="0.4.13", mot_plugin="0.1.0", torch="2.13.0+cpu")
    place.machine(gpus=2, train={"use_cpu": False, "per_device_train_batch_size": 1})
    place.machine(eval={"engine": "vllm"}, tools={"lm_eval": {"command": [venv.command("lm_eval")]}})
    told = place.told()
    wrong = told["vllm beside lm_eval"]
    assert (wrong.level, wrong.code) == ("error", 5)
    assert wrong.remedy.startswith(f"{venv.python} -m pip install 'vllm>=0.28,<0.34', or name vLLM's own environment")
    wrong = told["torch"]
    assert (wrong.level, wrong.code) == ("error", 5)
    assert wrong.found.startswith("2.13.0+cpu in ")
    assert "--force-reinstall torch==2.13.0" in wrong.remedy
    venv.has(vllm="0.32.0", transformers="5.16.1")
    assert "vllm beside lm_eval" not in place.told()


def test_an_environment_that_cannot_be_asked(place: Place, venv: Venv) -> None:
    program = venv.command("mergekit-yaml")
    venv.python.unlink()
    venv.python.write_text("#!/bin/sh\necho no interpreter >&2; exit 3\n")
    venv.python.chmod(0o755)
    place.machine(tools={"mergekit-yaml": {"command": [program]}})
    wrong = place.told()["mergekit-yaml"]
    assert wrong.level == "unknown"
    assert "exited with 3: no interpreter" in wrong.found


def test_a_launcher_is_asked_too(place: Place, venv: Venv) -> None:
    venv.has(mergekit="0.1.5", transformers="4.54.0")
    place.program("launch", 'exec "$@"')
    place.machine(tools={"mergekit-yaml": {"command": ["launch", venv.command("mergekit-yaml")]}})
    told = place.told()
    assert told["mergekit-yaml"].found.startswith("0.1.5, transformers 4.54.0 in the environment of mergekit-yaml")
    assert told["transformers"].remedy == "in the environment of mergekit-yaml: pip install transformers==5.5.4"
    place.program("launch", "echo no node is free >&2; exit 9")
    wrong = place.told()["mergekit-yaml"]
    assert (wrong.level, wrong.found.rpartition(", ")[2]) == (
        "unknown",
        f"{place.programs}/launch exited with 9: no node is free",
    )


def test_environments_as_machine_files_name_them(place: Place, venv: Venv) -> None:
    venv.has(mergekit="0.1.5", transformers="5.5.4")
    place.world.edit(lambda data: data["tools"].update({"mergekit-yaml": {"venv": str(venv.root)}}), "machine.yaml")
    wrong = place.told()["mergekit-yaml"]
    assert (wrong.level, wrong.code) == ("error", 5)
    assert wrong.found == f"tools.mergekit-yaml.venv: {venv.root} has no bin/mergekit-yaml: install it there"
    venv.command("mergekit-yaml")
    assert place.told()["mergekit-yaml"].found == f"0.1.5, transformers 5.5.4 in {venv.python}"
    runs = 'shift; while [ "${1#--}" != "$1" ]; do shift; done; shift; exec "$@"'
    place.program("apptainer", runs)
    (place.world.root / "image.sif").touch()
    box = {"container": {"image": str(place.world.root / "image.sif")}}
    place.world.edit(lambda data: data["tools"].update({"mergekit-yaml": box}), "machine.yaml")
    wrong = place.told()["mergekit-yaml"]
    assert (wrong.level, wrong.code, wrong.found.rpartition(": ")[2]) == ("error", 5, "no program mergekit-yaml")
    place.program("apptainer", f"PATH={venv.root}/bin:$PATH; {runs}")
    assert place.told()["mergekit-yaml"].found.endswith(" in the environment of mergekit-yaml")
    (place.world.root / "image.sif").unlink()
    wrong = place.told()["mergekit-yaml"]
    assert (wrong.level, wrong.found.partition(": ")[0]) == ("error", "tools.mergekit-yaml.container.image")


@pytest.mark.parametrize(
    ("packages", "package", "why"),
    [
        ({"llamafactory": "0.9.5", "vllm": "0.33.0"}, "vllm", "no transformers suits it and LLaMA-Factory 0.9.5"),
        ({"mergekit": "0.1.5", "transformers": "4.57.1"}, "transformers", "mergekit 0.1.5 is made for transformers 5"),
        ({"vllm": "0.33.0", "transformers": "5.6.0"}, "transformers", "vLLM 0.32 and later need a newer one"),
        ({"llamafactory": "0.9.5", "transformers": "5.6.0", "flash-attn": "2.8.3"}, "transformers", "FlashAttention"),
        ({"llamafactory": "0.9.5", "trl": "0.25.0"}, "trl", "ends at its start"),
        ({"omegaconf": "2.0.6", "antlr4-python3-runtime": "4.11.0"}, "omegaconf", "exclude each other"),
        ({"torch": "2.13.0+cpu", "torchvision": "0.28.0"}, "torchvision", "it is a CUDA build beside torch 2.13.0+cpu"),
        ({"torch": "2.14.0+cu130", "torchvision": "0.28.0+cu130"}, "torchvision", "needs torchvision==0.29.*"),
        ({"torch": "2.13.0", "torchaudio": "2.11.0+stub"}, "torchaudio", "the empty stand-in for processors"),
        ({"lm-eval": "0.4.9"}, "lm-eval", "the tasks below eval/"),
        ({"python": "3.10.14", "vllm": "0.30.0"}, "python", "vllm needs Python 3.11"),
    ],
)
def test_what_is_known_not_to_work(packages: dict[str, str], package: str, why: str) -> None:
    (found,) = known.troubles(packages)
    assert found.package == package
    assert why in found.why


def test_what_was_tried_works() -> None:
    ours = {name: metadata.version(name) for name in ("llamafactory", "mergekit", "lm-eval", "transformers", "torch")}
    assert list(known.troubles({**ours, "python": ".".join(map(str, sys.version_info[:3]))})) == []
    assert [known.untried(ours, name) for name in ("llamafactory", "mergekit", "lm-eval")] == [None] * 3
    cuda = {"torch": "2.13.0", "torchvision": "0.28.0", "torchaudio": "2.11.0", "llamafactory": "0.9.5"}
    assert list(known.troubles({**cuda, "transformers": "5.5.4", "flash-attn": "2.8.3"})) == []
    assert list(known.troubles({"vllm": "0.33.0", "transformers": "5.20.2", "torch": "2.14.0"})) == []


def test_remedies_are_the_pinned_versions() -> None:
    file = Path(__file__).parents[2] / "constraints" / "tools.txt"
    lines = file.read_text(encoding="utf-8").lower().replace("_", "-").split("\n")
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    assert all(known.within(pins[name], said) for name, said in known.TRIED.items() if name in pins)
    taken = {bad.take for bad in known.BAD if re.fullmatch(r"[\w-]+==[\d.]+", bad.take)}
    assert len(taken) > 5
    assert {take for take in taken if pins[take.partition("==")[0]] != take.partition("==")[2]} == set()


def test_what_a_training_asks_for_besides(place: Place, venv: Venv) -> None:
    venv.has(llamafactory="0.9.5", transformers="5.5.4")
    place.machine(
        train={"enable_liger_kernel": True, "deepspeed": "zero3"},
        tools={"llamafactory-cli": {"command": [venv.command("llamafactory-cli")]}},
    )
    place.recipe(sft={"flash_attn": "fa2"})
    told = place.told()
    assert told["liger-kernel"].level == told["deepspeed"].level == told["torchrun"].level == "error"
    assert told["liger-kernel"].remedy == f"{venv.python} -m pip install liger-kernel"
    assert told["flash-attn"].level == "warning"
    assert "in silence" in told["flash-attn"].found
    venv.has(liger_kernel="0.6.0", deepspeed="0.19.8", flash_attn="2.8.3")
    (venv.root / "bin" / "torchrun").touch()
    told = place.told()
    assert {told[name].level for name in ("liger-kernel", "deepspeed", "torchrun", "flash-attn")} == {"ok"}


def test_a_sandbox_for_programs_that_a_model_wrote(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "bubblewrap" not in place.told()
    place.recipe(eval={"tasks": ["mot_livecodebench"]})
    place.program("bwrap", "exit 9")
    assert place.told()["bubblewrap"].found == str(place.programs / "bwrap")
    (place.programs / "bwrap").unlink()
    monkeypatch.setenv("PATH", str(place.programs))
    wrong = place.told()["bubblewrap"]
    assert (wrong.level, wrong.code) == ("error", 5)
    assert wrong.remedy.startswith("apt-get install bubblewrap")


def test_bf16_without_a_gpu(place: Place) -> None:
    place.recipe(sft={"bf16": True})
    assert place.told()["device"].level == "ok"
    place.machine(train={"use_cpu": False})
    wrong = place.told()["device"]
    assert (wrong.level, wrong.remedy) == ("error", "write `train: {use_cpu: true}` in the machine file")
    place.recipe(sft={"bf16": False})
    assert place.told()["device"].level == "warning"


def test_checkpoints_that_no_training_reaches(place: Place) -> None:
    assert "checkpoints" not in place.told()
    place.machine(checkpoint_every=2)
    wrong = place.told()["checkpoints"]
    assert (wrong.level, wrong.remedy) == ("warning", "write `checkpoint_every: 1` in the machine file")
    assert wrong.found.startswith("one every 2 optimizer steps, and no training here takes more than 2")
    place.recipe(methods={"mtd": {"steps": 4, "save_steps": 4}})
    assert place.told()["checkpoints"].found == "a training that is killed repeats at most 2 of up to 4 optimizer steps"
