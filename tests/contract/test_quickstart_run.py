"""The shipped quickstart, smaller, with the real tools: killed in a branch and resumed, or run by Ray or Slurm, the same bits."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from weighing import tensors, winners

from mot_plugin import machine as machines
from mot_plugin import overview
from mot_plugin import run as runs
from mot_plugin.costs import disk
from mot_plugin.costs.calibrate import calibrate
from mot_plugin.costs.observe import observe
from mot_plugin.folder import Folder

TOOLS = ("llamafactory-cli", "mergekit-yaml", "lm_eval")
ABSENT = [tool for tool in TOOLS if not (Path(sys.executable).parent / tool).exists()]

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(bool(ABSENT), reason=f"not installed in this environment: {', '.join(ABSENT)}"),
]

RECIPE = Path(__file__).parents[2] / "recipes" / "quickstart.yaml"
BRANCH = "mot/round-1/branches/columns"
SECONDS = 480
LEFT = ("student/model.safetensors", "report/scores.csv", "artifacts/mot/round-2/merge/model/model.safetensors")


def smaller(recipe: dict) -> dict:
    """Two teachers, two rounds of three steps, no baselines."""
    teachers = dict(list(recipe["teachers"].items())[:2])
    for teacher in teachers.values():
        teacher["traces"] = str(RECIPE.parent / teacher["traces"])
    changed = {"student": str(RECIPE.parent / recipe["student"]), "teachers": teachers, "global_batch_size": 8}
    return recipe | changed | {"methods": {"mot": {"rounds": 2, "steps": 3}}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from start to end."""
    place = prepare(tmp_path_factory.mktemp("undisturbed"))
    ended = start(place)
    out, _ = ended.communicate(timeout=SECONDS)
    assert ended.returncode == 0, out
    return place


def prepare(place: Path) -> Path:
    recipe = smaller(yaml.safe_load(RECIPE.read_text(encoding="utf-8")))
    (place / "quickstart.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    machine = yaml.safe_load((RECIPE.parent / "machines" / "processor.yaml").read_text(encoding="utf-8"))
    (place / "processor.yaml").write_text(yaml.safe_dump(machine), encoding="utf-8")
    return place


def start(place: Path, executor: str = "serial") -> subprocess.Popen[str]:
    how = ("--machine", "processor.yaml", "--executor", executor)
    return subprocess.Popen(
        [sys.executable, "-m", "mot_plugin", "run", "quickstart.yaml", *how],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_the_real_tools_make_a_student(undisturbed: Path) -> None:
    run = undisturbed / "runs" / "quickstart"
    assert (run / "report" / "report.md").is_file()
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} <= {
        file.name for file in (run / "student").iterdir()
    }
    scores = (run / "report" / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert len(scores) == 1 + 2 * 6, "two rounds, six metrics"


def test_the_cost_model_knows_its_bytes_and_learns_its_times(undisturbed: Path, tmp_path: Path) -> None:
    run = undisturbed / "runs" / "quickstart"
    place = machines.load(undisturbed / "processor.yaml")
    nowhere = place.model_copy(update={"storage": place.storage.model_copy(update={"runs": str(tmp_path / "runs")})})
    before = runs.prepare(undisturbed / "quickstart.yaml", nowhere)
    case = overview.case_of(before)
    found = disk.mark(disk.loads(case.ground, before.plan, case.todo, winner=winners(run, before.plan)))
    assert tensors(undisturbed / "runs") == found.stays
    made = calibrate(observe(Folder(run)), place.costs)
    assert {"train", "evaluate", "merge"} <= {kind.kind for kind in made.kinds}
    for kind in made.kinds:
        assert kind.after == pytest.approx(kind.measured, rel=0.1, abs=0.1), kind


def test_killed_in_a_branch_and_resumed_it_is_the_same(undisturbed: Path, tmp_path: Path) -> None:
    place = prepare(tmp_path)
    process = start(place)
    progress = place / "runs" / "quickstart" / "work" / BRANCH / "model" / "trainer_log.jsonl"
    until = time.monotonic() + SECONDS
    while not progress.is_file():  # written at the first optimizer step
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=300)
    assert not (place / "runs" / "quickstart" / "artifacts" / BRANCH).exists(), "it was killed too late"
    again = start(place)
    said, _ = again.communicate(timeout=SECONDS)
    assert again.returncode == 0, said
    assert len(attempts(place)) == 2
    assert len(attempts(undisturbed)) == 1
    assert left(place) == left(undisturbed)


@pytest.mark.parametrize("executor", ["ray", "slurm"])
def test_other_executors_make_the_same(
    undisturbed: Path, tmp_path: Path, executor: str, request: pytest.FixtureRequest
) -> None:
    """Branches side by side, evaluations beside trainings: the same weights, the same answers, the same scores."""
    if executor == "slurm":
        request.getfixturevalue("slurm")
    place = prepare(tmp_path)
    ended = start(place, executor)
    out, _ = ended.communicate(timeout=SECONDS)
    assert ended.returncode == 0, out
    assert left(place) == left(undisturbed)


def attempts(place: Path) -> list[Path]:
    return list((place / "runs" / "quickstart" / "artifacts" / BRANCH).resolve().parent.glob("attempt-*.log"))


def left(place: Path) -> dict[str, str]:
    """Digests of the weights and the scores, and every raw answer."""
    run = place / "runs" / "quickstart"
    found = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in LEFT}
    for number in (1, 2):
        samples = run / f"artifacts/mot/round-{number}/evaluate/samples_mot_quickstart.jsonl"
        texts = [json.loads(line)["resps"] for line in samples.read_text(encoding="utf-8").splitlines()]
        found[f"answers of round {number}"] = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    return found
