"""The guide's tables are what the command prints, and plans behave on many GPUs as plans do."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mot_plugin import cli_costs, overview
from mot_plugin import machine as machines
from mot_plugin import run as runs
from mot_plugin.costs.case import Case, choices, together
from mot_plugin.costs.scaling import best, scale
from mot_plugin.errors import FileError
from mot_plugin.machine import Machine

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "scaling.md"
BLOCKS = re.findall(r"<!-- scaling (.*?) -->\n(.*?)<!-- end -->", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)


def scaling(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mot_plugin", "scaling", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(("arguments", "shown"), BLOCKS, ids=[arguments.split()[0] for arguments, _ in BLOCKS])
def test_the_guide_shows_what_the_command_writes(arguments: str, shown: str, tmp_path: Path) -> None:
    given = []
    for word in arguments.split():
        files = sorted(str(file) for file in ROOT.glob(word)) if word.startswith("recipes/") else [word]
        given += files
    done = scaling(*given, "--out", "made", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "scaling.md").read_text(encoding="utf-8") == shown
    assert {file.suffix for file in (tmp_path / "made").iterdir()} == {".md", ".svg", ".png", ".csv"}
    rows = (tmp_path / "made" / "schedule-64.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "step,kind,start_seconds,end_seconds,gpus_per_node,nodes"
    assert not (tmp_path / "runs").exists()


def test_the_guide_s_figure_is_small() -> None:
    assert len(BLOCKS) == 3
    assert 5_000 < (ROOT / "docs" / "scaling.svg").stat().st_size < 60_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    found = machines.load(ROOT / "recipes" / "machines" / "8x80gb.yaml")
    storage = found.storage.model_copy(update={"runs": str(tmp_path_factory.mktemp("runs"))})
    return found.model_copy(update={"storage": storage})


def cases(place: Machine, *names: str) -> list[Case]:
    return [overview.case_of(runs.prepare(ROOT / "recipes" / f"{name}.yaml", place)) for name in names]


def test_a_round_s_branches_lie_side_by_side_and_its_evaluation_beside_the_next(place: Machine) -> None:
    (point,) = scale(cases(place, "boba200"), [512], [8])
    bars = {bar.job.name: bar for bar in point.schedule.bars}
    branches = [bars[f"mot/round-2/branches/{name}"] for name in ("qwq", "qwen3-32b", "qwen3-235b", "deepseek-r1")]
    assert {bar.start for bar in branches} == {bars["mot/round-1/merge"].end}
    assert len({bar.nodes for bar in branches}) == 4
    assert bars["mot/round-1/evaluate"].start == branches[0].start
    assert point.bound == "longest chain"
    names = [job.name for job in point.schedule.critical]
    assert [f"mot/round-{number}/merge" for number in range(1, 6)] == [name for name in names if name.endswith("merge")]


def test_more_gpus_never_cost_time_and_wider_trainings_shorten_the_chain(place: Machine) -> None:
    points = scale(cases(place, "boba200"), [8, 32, 128, 512], [8, 32], "longest")
    assert [(point.gpus, point.width) for point in points][:3] == [(8, 8), (32, 8), (32, 32)]
    times = [point.hours for point in points if point.width == 8]
    assert times == sorted(times, reverse=True)
    chains = {point.width: point.schedule.path for point in points}
    assert chains[32] < chains[8]
    work = {point.width: point.gpu_hours for point in points}
    assert work[32] > work[8], "wider trainings hold more GPUs for more than a share of the time"
    assert best(points)[0].width == 8


def test_a_student_that_teaches_is_waited_for(place: Machine) -> None:
    pupils = "paper/qwen3-8b-boba200-taught-by-qwen3-14b-mot"
    both = cases(place, "paper/qwen3-14b-boba200", pupils)
    jobs = {job.name: job for job in together(both)}
    asked = jobs["qwen3-8b-boba200-taught-by-qwen3-14b-mot: traces/qwen3-14b-mot"]
    (chosen,) = choices(both[0].plan, "MoT")
    assert chosen.name == "mot/round-5/select"
    assert both[0].plan.prints[chosen.name] in asked.needs


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gpus": "12"}, "12 GPUs are no whole nodes of 8"),
        ({"gpus": "8,many"}, "--gpus takes whole numbers with commas between them, not '8,many'"),
        ({"widths": "12"}, "12 GPUs of a training are no whole nodes of 8"),
        ({"first": "last"}, "--first is plan or longest"),
        ({"machine": ROOT / "recipes" / "machines" / "processor.yaml"}, "has no GPUs to scale with"),
    ],
)
def test_what_cannot_be_played_is_said(
    options: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=re.escape(words)):
        cli_costs.scaling([ROOT / "recipes" / "boba200.yaml"], **options)
    assert not list(tmp_path.iterdir())
