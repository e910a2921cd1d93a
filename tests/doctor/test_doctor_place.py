"""GPUs, memory, disks, executors, ports: what the place itself has."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from doctor_place import Place, Venv

from mot_plugin.doctor import adapter, disk, engines, executors, memory
from mot_plugin.doctor.context import Context
from mot_plugin.doctor.environment import asked, behind
from mot_plugin.doctor.finding import Finding
from mot_plugin.machine import Machine
from mot_plugin.tools import parallel

EIGHT_BILLION = {
    "hidden_size": 4096,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "intermediate_size": 12288,
    "tie_word_embeddings": False,
}
SHARED = Path("/dev/shm")


def driver(place: Place, cards: int, mib: int, free: int | None = None) -> None:
    """An nvidia-smi that lists these."""
    rows = "".join(f"NVIDIA H100, {mib}, {mib - 500 if free is None else free}\\n" for _ in range(cards))
    place.program("nvidia-smi", f"printf '{rows}'")


def on_gpus(place: Place, count: int, **train: object) -> None:
    place.config(**EIGHT_BILLION)
    place.recipe(sft={"bf16": True, "cutoff_len": 25600}, global_batch_size=64)
    place.machine(gpus=count, train={"use_cpu": False, "per_device_train_batch_size": 1, **train})


def test_no_driver(place: Place) -> None:
    place.machine(gpus=2)
    place.program("nvidia-smi", "echo 'NVIDIA-SMI has failed' >&2; exit 9")
    wrong = place.told()["GPUs"]
    assert (wrong.level, wrong.found) == ("error", "2 wanted, and nvidia-smi does not answer here")
    assert wrong.remedy.startswith("mend the driver (`nvidia-smi`)")


def test_too_few_gpus(place: Place) -> None:
    driver(place, 1, 81559)
    place.machine(gpus=2)
    wrong = place.told()["GPUs"]
    assert (wrong.level, wrong.found) == ("error", "2 wanted, 1 here: NVIDIA H100, 80 GiB")
    assert wrong.remedy == "write `gpus: 1` in the machine file"


def test_gpus_that_are_in_use(place: Place) -> None:
    driver(place, 2, 81559, free=20480)
    place.machine(gpus=2)
    told = place.told()
    assert told["GPUs"].found == "2 of 2: NVIDIA H100, 80 GiB"
    assert told["GPUs in use"].level == "warning"
    assert "GPU 0: 20 GiB free, GPU 1: 20 GiB free" in told["GPUs in use"].found


def test_rows_that_do_not_fit_on_a_gpu(place: Place) -> None:
    driver(place, 8, 81559)
    on_gpus(place, 8, deepspeed="zero3")
    wrong = place.told()["memory to train"]
    assert wrong.level == "warning", "logits of 25,600 x 151,936 leave no room to spare: 75 of 80 GiB"
    assert "for rows of 25,600 tokens" in wrong.found
    assert (
        wrong.remedy
        == "in the machine file write `enable_liger_kernel: true`, `deepspeed: zero3-offload` under `train:`"
    )
    on_gpus(place, 8, deepspeed="zero3", enable_liger_kernel=True)
    assert place.told()["memory to train"].level == "ok"
    on_gpus(place, 8, deepspeed="zero2", enable_liger_kernel=True)
    assert place.told()["memory to train"].level == "ok"
    on_gpus(place, 8, deepspeed=None, enable_liger_kernel=True)
    wrong = place.told()["memory to train"]
    assert wrong.level == "error"
    assert wrong.remedy == "in the machine file write `deepspeed: zero3` under `train:`"
    driver(place, 8, 24576)
    on_gpus(place, 8, deepspeed="zero3", enable_liger_kernel=True)
    assert place.told()["memory to train"].level == "error"


def test_memory_is_the_sum_of_stated_parts() -> None:
    weights = 8_190_735_360
    need = memory.training(EIGHT_BILLION, weights, memory.Place(8, "zero3", tokens=25600))
    assert need.states == 2 * weights  # 16 bytes over 8 GPUs
    assert need.activations == 25600 * 4096 * 2 * (36 + memory.LAYER_WIDTHS)
    assert need.logits == 25600 * 151936 * 12
    assert need.device == need.states + need.activations + need.logits + need.own
    alone = memory.training(EIGHT_BILLION, weights, memory.Place(1))
    assert alone.states == 16 * weights
    offloaded = memory.training(EIGHT_BILLION, weights, memory.Place(8, "zero3-offload"))
    assert (offloaded.states, offloaded.offloaded) == (weights / 2, 12 * weights)
    assert memory.training(EIGHT_BILLION, weights, memory.Place(8, "zero2")).states == (2 + 14 / 8) * weights
    assert memory.LAYOUTS.keys() == {"", *parallel.DEEPSPEED, *parallel.FSDP}


def test_an_adapter_beside_frozen_weights() -> None:
    """All linear modules of Qwen3-8B in rank 16 are 43,646,976 weights more."""
    weights = 8_190_735_360
    made = adapter.of_config(EIGHT_BILLION, 16, ["all"])
    assert made is not None
    assert made.trained == 43_646_976
    assert made.adapted == weights - 2 * 151936 * 4096 - 36 * (2 * 4096 + 2 * 128) - 4096
    some = adapter.of_config(EIGHT_BILLION, 8, ["q_proj", "v_proj"])
    assert some is not None
    assert some.trained == 36 * 8 * (4096 + 4096 + 4096 + 1024)
    assert adapter.of_config(EIGHT_BILLION, 8, ["lm_head"]) is None
    assert adapter.of_config({**EIGHT_BILLION, "num_experts": 64}, 8, ["all"]) is None
    frozen = adapter.frozen_bytes(made, weights, 2, None)
    assert frozen == 2 * weights
    assert adapter.frozen_bytes(made, weights, 2, 8) == 2 * (weights - made.adapted) + made.adapted
    assert adapter.frozen_bytes(made, weights, 2, 4) < adapter.frozen_bytes(made, weights, 2, 8)
    needs = {way: memory.training(EIGHT_BILLION, 100, memory.Place(8, way), frozen) for way in memory.LAYOUTS}
    for way in ("", "zero2", "shard_grad_op"):
        assert needs[way].states - frozen < 1700, way
    for way in ("zero3", "full_shard", "zero3-offload"):
        assert needs[way].states - frozen / 8 < 1700, way
    assert needs["full_shard-offload"].states == 0
    assert needs["full_shard-offload"].offloaded - frozen == 1600


def test_an_adapter_fits_where_full_training_does_not(place: Place) -> None:
    driver(place, 1, 24576)
    on_gpus(place, 1, deepspeed=None, enable_liger_kernel=True)
    place.recipe(sft={"cutoff_len": 4096})
    assert place.told()["memory to train"].level == "error"
    place.recipe(sft={"finetuning_type": "lora", "lora_rank": 16})
    told = place.told()
    assert told["memory to train"].found.startswith("about 21 GiB on each of 1 GPUs (states 15.9, activations 1.8, ")
    assert told["memory to merge"].found.startswith("3 models in float32 are ")
    place.recipe(sft={"quantization_bit": 4})
    assert place.told()["memory to train"].found.startswith("about 11 GiB on each of 1 GPUs (states 6.4, ")
    place.recipe(sft={"additional_target": "embed_tokens"})
    assert place.told()["memory to train"].level == "unknown"


def test_what_a_training_saves_is_what_a_merge_reads(place: Place) -> None:
    """16 bits with DeepSpeed, 32 with FSDP and alone."""
    driver(place, 8, 81559)
    on_gpus(place, 8, deepspeed="zero3")
    assert " models in bfloat16 are " in place.told()["memory to merge"].found
    on_gpus(place, 8, deepspeed=None, fsdp="full_shard")
    assert " models in float32 are " in place.told()["memory to merge"].found


def test_a_student_too_large_for_this_computer(place: Place) -> None:
    place.config(**{**EIGHT_BILLION, "num_hidden_layers": 20_000})
    told = place.told()
    assert told["memory to train"].level == "error", "terabytes in a computer's memory"
    assert told["memory to merge"].level == "warning"
    assert "write `merge: {engine: stream}`" in told["memory to merge"].remedy
    assert told["room"].level == "error"
    assert told["room"].remedy.startswith("name a larger disk as storage.store")


def test_heads_that_cannot_be_shared_out(place: Place) -> None:
    driver(place, 6, 81559)
    place.config(**EIGHT_BILLION)
    place.machine(gpus=6, eval={"engine": "vllm", "model_args": {"tensor_parallel_size": 6, "max_model_len": 40960}})
    place.recipe(global_batch_size=24)
    wrong = place.told()["tensor_parallel_size"]
    assert (wrong.level, wrong.found) == ("error", "6 GPUs do not divide the student's 32 attention heads")
    assert wrong.remedy == "write `tensor_parallel_size: 4` under eval.model_args"


@pytest.mark.skipif(
    not SHARED.is_dir() or SHARED.stat().st_dev == Path("/tmp").stat().st_dev,
    reason="/dev/shm is no second file system",
)
def test_models_that_an_engine_cannot_hold(place: Place) -> None:
    driver(place, 2, 24576)
    place.config(**EIGHT_BILLION)
    place.machine(gpus=2, train={"use_cpu": False, "per_device_train_batch_size": 1})
    place.machine(eval={"engine": "vllm", "model_args": {"tensor_parallel_size": 1, "max_model_len": 65536}})
    wrong = place.told()["memory to evaluate"]
    assert wrong.level == "error"
    assert wrong.found == "about 24.3 GiB on 1 GPU, of which vLLM takes 21.6 GiB: it does not fit"
    assert wrong.remedy.startswith("lower max_model_len, or raise gpus_per_engine")
    place.machine(eval={"engine": "vllm", "model_args": {"tensor_parallel_size": 2, "max_model_len": 65536}})
    assert place.told()["memory to evaluate"].level == "ok"
    assert engines.cache(EIGHT_BILLION, 1) == 2 * 2 * 36 * 8 * 128


def test_no_links_between_two_file_systems(place: Place) -> None:
    assert place.told()["student's weights"].level == "ok"
    there = Path(tempfile.mkdtemp(dir=SHARED))
    try:
        shutil.copytree(place.world.root / "student", there / "student")
        place.recipe(student=str(there / "student"))
        place.machine(storage={"runs": str(there / "runs"), "store": str(place.world.root / "store")})
        told = place.told()
    finally:
        shutil.rmtree(there)
    assert told["file system of runs"].found == "tmpfs"
    wrong = told["student's weights"]
    assert wrong.level == "warning"
    assert wrong.found.startswith(
        f"no hard link from {there}/student to {place.world.root} (Invalid cross-device link)"
    )
    assert wrong.remedy == "put the student and storage.store on one disk, with one owner"


def test_a_folder_that_cannot_be_written(place: Place) -> None:
    place.machine(storage={"runs": "/proc/runs", "store": str(place.world.root / "store")})
    wrong = place.told()["folder of runs"]
    assert wrong.level == "error"
    assert wrong.found.startswith("/proc cannot be written: ")
    assert wrong.remedy == "name another folder as storage.runs in the machine file"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of one MiB and forty files."""
    made = tmp_path / "small"
    made.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=40", "none", str(made)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk, and not in every container")
    yield made
    subprocess.run(["umount", made], check=True)


def test_a_disk_that_is_too_small(place: Place, small: Path) -> None:
    place.config(**EIGHT_BILLION)
    place.machine(storage={"store": str(small)})
    told = place.told()
    assert (told["room"].level, told["room"].remedy.partition(" ")[0]) == ("error", "name")
    assert told["room"].found.endswith(f"1 MiB are free in {small}")
    wrong = told["folder of store"]
    assert wrong.level == "error"
    assert re.fullmatch(rf"{small} has only 3\d inodes left", wrong.found)


def test_a_mirror(place: Place) -> None:
    place.machine(storage={"mirror": str(place.world.root / "bucket")})
    assert place.told()["mirror"].level == "ok"
    assert not (place.world.root / "bucket").exists()
    place.machine(storage={"mirror": "s4://bucket/runs"})
    wrong = place.told()["mirror"]
    assert (wrong.level, wrong.remedy) == ("error", "mend storage.mirror in the machine file")


def test_file_systems_are_told_apart() -> None:
    lines = (
        "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        "30 22 0:25 / /mnt/big\\040disk rw - nfs4 server:/export rw\n"
        "31 22 0:26 / /mnt/big\\040disk rw - lustre mds:/fs rw\n"
    )
    assert disk.mounted(lines) == {Path("/"): "ext4", Path("/mnt/big disk"): "lustre"}
    assert {"nfs4", "lustre"} <= disk.SHARED


def test_a_fixed_port(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.told()["ports"].level == "ok"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place.machine(env={"MASTER_PORT": str(port)})
        wrong = place.told()["MASTER_PORT"]
    assert (wrong.level, wrong.found) == ("error", f"port {port} cannot be taken: Address already in use")
    assert wrong.remedy == f"unset MASTER_PORT, or end what listens there (ss -ltnp 'sport = :{port}')"
    assert place.told()["MASTER_PORT"].level == "ok"
    place.machine(env={"MASTER_PORT": "http"})
    assert place.told()["MASTER_PORT"].found == "'http' is no port"


def ray(venv: Venv, **said: str) -> list[Finding]:
    """What is said of Ray where our own Python is the venv's."""
    ours = asked(behind("mot-plugin", [str(venv.python)]), os.environ, ("ray", "python"))
    machine = Machine.model_validate({"name": "x", "gpus": 0, "executor": "ray", "ray": said})
    return list(executors.check(Context(machine, None, os.environ, {"mot-plugin": ours})))


def test_ray_that_is_missing_or_too_old(venv: Venv) -> None:
    (wrong,) = ray(venv)
    assert (wrong.level, wrong.code, wrong.remedy) == ("error", 5, f"{venv.python} -m pip install 'mot-plugin[ray]'")
    venv.has(ray="2.40.0")
    wrong = ray(venv)[0]
    assert (wrong.level, wrong.check, wrong.remedy) == ("error", "ray", f"{venv.python} -m pip install 'ray>=2.60'")


def test_a_ray_cluster_that_does_not_answer(venv: Venv) -> None:
    venv.has(ray="2.60.0")
    assert [one.level for one in ray(venv)] == ["ok", "ok"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert ray(venv, address=address)[1].found == f"{address} answers"
    wrong = ray(venv, address=address)[1]
    assert (wrong.level, wrong.found) == ("error", f"{address} does not answer: Connection refused")
    assert wrong.remedy.startswith("start it there with `ray start --head --port=")


def test_a_step_that_this_computers_ray_cannot_take(place: Place) -> None:
    place.machine(executor="ray", steps={"merge": {"cpus": 100_000}})
    wrong = place.told()["steps.merge"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert wrong.found.startswith("100000 processors, and this computer has ")
    place.machine(ray={"address": "ray://head:10001"}, steps={})
    wrong = place.told()["cluster"]
    assert (wrong.level, wrong.remedy) == ("error", "write HOST:PORT of the head node as ray.address")


def slurm(place: Place, sinfo: str) -> None:
    for name in ("sbatch", "squeue", "scancel"):
        place.program(name, "exit 0")
    place.program("sinfo", sinfo)
    place.machine(
        executor="slurm",
        gpus=2,
        nodes=2,
        train={"use_cpu": False, "per_device_train_batch_size": 1},
        steps={"train": {"nodes": 2}},
    )


def test_slurm_that_is_not_here(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.programs))
    place.machine(executor="slurm")
    wrong = place.told()["slurm"]
    assert (wrong.level, wrong.code, wrong.found) == ("error", 5, "no sbatch, squeue, scancel, sinfo on PATH")


def test_slurm_that_does_not_answer(place: Place) -> None:
    slurm(place, "echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1")
    wrong = place.told()["slurm"]
    assert wrong.level == "error"
    assert wrong.found.endswith("sinfo exited with 1: slurm_load_partitions: Unable to contact slurm controller")


def test_slurm_without_the_partition_or_the_gpus(place: Place) -> None:
    slurm(place, "printf 'gpu|gpu:h100:2(S:0-1)|n1\\ngpu|gpu:h100:2(S:0-1)|n2\\ncpu|(null)|c1\\n'")
    told = place.told()
    assert told["slurm"].found == "it answers, with 3 nodes"
    assert told["steps.train"].found == "2 GPUs on 2 of 2 such nodes in the cluster"
    assert told["GPUs"].level == told["memory to train"].level == "unknown", "a login node has none"
    assert told["file system of runs"].level == "warning"
    assert told["memory to merge"].level == "unknown"
    place.config(**EIGHT_BILLION)
    place.machine(steps={"train": {"nodes": 2}, "merge": {"memory_gb": 32}})
    wrong = place.told()["memory to merge"]
    assert wrong.level == "warning"
    assert "only 29.8 GiB are asked for (steps.merge.memory_gb)" in wrong.found
    place.machine(slurm={"partition": "cpu"})
    wrong = place.told()["steps.train"]
    assert (wrong.level, wrong.found) == ("error", "2 nodes with 2 GPUs, and partition cpu has 0")
    place.machine(slurm={"partition": "gpus"})
    wrong = place.told()["partition gpus"]
    assert (wrong.level, wrong.found) == ("error", "there is none; there are cpu, gpu")
    assert wrong.remedy == "mend its name in the machine file"


@pytest.mark.parametrize(
    ("gres", "count"),
    [("(null)", 0), ("gpu:2", 2), ("gpu:h100:8(S:0-1)", 8), ("gpu:a:1,gpu:b:2(IDX:0)", 3), ("nic:2", 0)],
)
def test_gpus_of_a_node(gres: str, count: int) -> None:
    assert executors.gpus(gres) == count


def test_a_step_that_takes_more_than_a_node_has(place: Place) -> None:
    driver(place, 2, 81559)
    place.machine(gpus=2, steps={"train": {"gpus": 4}})
    wrong = place.told()["steps.train"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert wrong.found == "1 nodes of 4 GPUs, and the machine file has 1 of 2 GPUs"
