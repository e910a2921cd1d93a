"""A command on several nodes without any resource manager: ranks are processes here, met in a folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import MOT, wait_for

from mot_plugin import spread
from mot_plugin.errors import FileError

pytestmark = pytest.mark.process

SAYS = """
import json, os, pathlib, signal, sys, time
rank = os.environ["NODE_RANK"]
names = "NNODES NODE_RANK MASTER_ADDR MASTER_PORT OURS CUDA_VISIBLE_DEVICES".split()
here = pathlib.Path(sys.argv[1])
(here / f"said-{rank}-{time.time_ns()}").write_text(json.dumps({name: os.environ.get(name) for name in names}))
what = dict(part.split("=") for part in sys.argv[2:]).get(rank, "")
print("rank", rank, "says", what, flush=True)
if what == "stay":
    time.sleep(600)
if what == "die":
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(int(what or 0))
"""


class Meeting:
    """Two nodes of one step; `start` is what a supervisor does."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.here = folder, folder.parent
        self.follower = self.process([*MOT, "meet", str(folder), "1"], CUDA_VISIBLE_DEVICES="5")

    def process(self, argv: list[str], **more: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "FAKE_LOG": str(self.here), **more}
        return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def start(self, *what: str) -> subprocess.Popen[str]:
        given = {spread.WAY: "follow", spread.MEETING: str(self.folder), spread.ADDRESS: "127.0.0.1"}
        argv, shared = spread.over(2, [sys.executable, "-c", SAYS, str(self.here), *what], {"OURS": "yes"}, given)
        return self.process(argv, **shared, OURS="yes", CUDA_VISIBLE_DEVICES="3")

    def said(self) -> list[dict[str, str]]:
        found = [json.loads(file.read_text()) for file in sorted(self.here.glob("said-*")) if file.stat().st_size]
        return sorted(found, key=lambda one: one["NODE_RANK"])

    def running(self) -> list[int]:
        lines = subprocess.run(
            ["pgrep", "-f", f"^{sys.executable} -c .*{self.here}"], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in lines.stdout.split()]


@pytest.fixture
def meeting(tmp_path: Path) -> Iterator[Meeting]:
    made = Meeting(tmp_path / "meeting")
    made.folder.mkdir(exist_ok=True)
    yield made
    (made.folder / "over").touch()
    made.follower.communicate(timeout=60)
    assert made.running() == []


def test_both_nodes_run_it_and_know_their_places(meeting: Meeting) -> None:
    out, _ = meeting.start().communicate(timeout=60)
    assert out == "rank 0 says \n"
    first, second = meeting.said()
    assert (first["NODE_RANK"], first["CUDA_VISIBLE_DEVICES"]) == ("0", "3")
    assert (second["NODE_RANK"], second["CUDA_VISIBLE_DEVICES"]) == ("1", "5")
    for one in (first, second):
        assert (one["NNODES"], one["MASTER_ADDR"], one["OURS"]) == ("2", "127.0.0.1", "yes")
    assert first["MASTER_PORT"] == second["MASTER_PORT"]


def test_a_rank_that_fails_ends_the_other_and_the_next_try_runs(meeting: Meeting) -> None:
    leader = meeting.start("0=stay", "1=7")
    out, _ = leader.communicate(timeout=60)
    assert leader.returncode == 70
    assert out.endswith("rank 1 of 2 exited with 7; its last lines:\nrank 1 says 7\n")
    again = meeting.start()
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert [one["NODE_RANK"] for one in meeting.said()][-2:] == ["1", "1"], "it took part in both"


def test_the_first_rank_s_end_is_everybody_s(meeting: Meeting) -> None:
    leader = meeting.start("0=die", "1=stay")
    leader.communicate(timeout=60)
    assert leader.returncode == -signal.SIGKILL, "as the command ended"
    assert meeting.running() == []


def test_a_stopped_leader_stops_the_others(meeting: Meeting) -> None:
    leader = meeting.start("0=stay", "1=stay")
    wait_for(lambda: len(meeting.said()) == 2)
    os.killpg(leader.pid, signal.SIGTERM)
    leader.communicate(timeout=60)
    assert leader.returncode == -signal.SIGTERM
    assert meeting.running() == []


def test_a_new_start_ends_what_a_lost_leader_left(meeting: Meeting) -> None:
    leader = meeting.start("0=stay", "1=stay")
    wait_for(lambda: len(meeting.said()) == 2)
    os.killpg(leader.pid, signal.SIGKILL)
    leader.communicate(timeout=60)
    assert len(meeting.running()) == 1
    again = meeting.start()
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert meeting.running() == []


def test_an_executor_with_one_node_says_so() -> None:
    with pytest.raises(FileError, match="it takes 4 nodes, and this executor has one"):
        spread.over(4, ["train"], {}, {})
