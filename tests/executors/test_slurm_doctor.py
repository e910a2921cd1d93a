"""What the doctor says of a real Slurm, and what it says when that does not answer."""

from pathlib import Path

import pytest
from slurm_cluster import Cluster

from mot_plugin.doctor import executors
from mot_plugin.doctor.context import gather
from mot_plugin.doctor.finding import Finding
from mot_plugin.machine import Machine

pytestmark = pytest.mark.process


def told(train: int = 1, **place: object) -> dict[str, Finding]:
    """What is said of Slurm where a training takes so many nodes."""
    data = {"name": "x", "executor": "slurm", "gpus": 2, "nodes": 2, "steps": {"train": {"nodes": train}}, **place}
    return {one.check: one for one in executors.check(gather(Machine.model_validate(data), None))}


def test_a_real_slurm(slurm: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = told(train=2)
    assert said["slurm"].found == "it answers, with 2 nodes"
    assert said["steps.train"].found == "2 GPUs on 2 of 2 such nodes in the cluster"
    assert {one.level for one in said.values()} == {"ok"}
    assert told(slurm={"partition": "gpus"})["partition gpus"].found == "there is none; there are all, urgent"
    wrong = told(slurm={"partition": "all"}, gpus=4)["steps.train"]
    assert (wrong.level, wrong.found) == ("error", "1 nodes with 4 GPUs, and partition all has 0")
    elsewhere = tmp_path / "slurm.conf"
    conf = Path(slurm.environment["SLURM_CONF"]).read_text(encoding="utf-8").split("\n")
    mute = ["SlurmctldPort=9" if line.startswith("SlurmctldPort") else line for line in conf]
    elsewhere.write_text("\n".join([*mute, "MessageTimeout=2"]))
    monkeypatch.setenv("SLURM_CONF", str(elsewhere))
    wrong = told()["slurm"]
    assert wrong.level == "error"
    assert wrong.found.startswith("it does not answer: sinfo ")
