"""Full checkpoints on disk: which one a training goes on from, and what is left of them in the end."""

import json
from pathlib import Path

import pytest

from mot_plugin import checkpoints
from mot_plugin.tools.call import Resumable

TRAINING = Resumable("model", steps=10, results=(4, 10))
MODEL = {"config.json", "model.safetensors", "trainer_state.json"}
STATE = {
    "scheduler.pt",
    "rng_state_0.pth",
    "rng_state_1.pth",
    "global_step4",
    "latest",
    "zero_to_fp32.py",
    "optimizer.pt",
}


def saved(part: Path, steps: int, *, state: bool = True, whole: bool = True) -> Path:
    """A checkpoint as transformers and DeepSpeed leave it, and with our mark."""
    folder = part / "model" / f"checkpoint-{steps}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODEL | (STATE if state else set()):
        if name == "global_step4":
            (folder / name).mkdir()
            (folder / name / "zero_pp_rank_0_mp_rank_00_optim_states.pt").write_bytes(b"state")
        else:
            (folder / name).write_bytes(b"x")
    if whole:
        checkpoints.Checkpoint(folder, steps).mark(state=state)
    return folder


def log(part: Path, *steps: int, cut: str = "") -> Path:
    """The trainer's log of these steps, its last line cut short."""
    file = part / "model" / "trainer_log.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({"current_steps": step}) + "\n" for step in steps) + cut, encoding="utf-8")
    return file


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A folder in which a training was begun, and is dead now."""
    part = tmp_path / "out.part"
    assert checkpoints.begin(part, TRAINING, "one") is None
    return part


def test_it_goes_on_from_the_newest_and_forgets_what_came_after(part: Path) -> None:
    saved(part, 4, state=False)
    saved(part, 6)
    saved(part, 8, whole=False)
    rows = log(part, 5, 6, 7, 8, cut='{"current_st')
    (part / "model" / "adapter.json").touch()
    (part / "data").mkdir()
    chosen = checkpoints.begin(part, TRAINING, "one")
    assert chosen == checkpoints.Checkpoint(part / "model" / "checkpoint-6", 6)
    assert {path.name for path in part.iterdir()} == {"model", "begun.json"}
    assert {path.name for path in (part / "model").iterdir()} == {"checkpoint-4", "checkpoint-6", "trainer_log.jsonl"}
    assert [json.loads(line)["current_steps"] for line in rows.read_text().splitlines()] == [5, 6]


@pytest.mark.parametrize(
    ("identity", "steps", "resumable"),
    [("another", 6, TRAINING), ("one", 10, TRAINING), ("one", 6, None)],
    ids=["another place or version", "all steps made", "no longer asked for"],
)
def test_it_begins_anew(part: Path, identity: str, steps: int, resumable: Resumable | None) -> None:
    saved(part, steps)
    log(part, 1, 2)
    assert checkpoints.begin(part, resumable, identity) is None
    assert {path.name for path in part.iterdir()} == ({"begun.json"} if resumable else set())


def test_what_was_begun_without_us_is_cleared(tmp_path: Path) -> None:
    part = tmp_path / "out.part"
    saved(part, 6)
    assert checkpoints.begin(part, TRAINING, "one") is None
    assert not (part / "model").exists()


def test_three_failures_are_enough_and_stops_are_none(part: Path) -> None:
    earlier, newest = (checkpoints.Checkpoint(saved(part, steps), steps) for steps in (2, 6))
    for _ in range(2 * checkpoints.FAILURES):
        assert checkpoints.begin(part, TRAINING, "one") == newest
    for _ in range(checkpoints.FAILURES):
        assert checkpoints.begin(part, TRAINING, "one") == newest
        checkpoints.failed(part, newest, sound=True)
    assert checkpoints.begin(part, TRAINING, "one") == earlier
    again = checkpoints.Checkpoint(saved(part, 8), 8)
    assert checkpoints.begin(part, TRAINING, "one") == again


def test_a_model_that_was_found_wrong_is_not_gone_on_from(part: Path) -> None:
    newest = checkpoints.Checkpoint(saved(part, 6), 6)
    assert checkpoints.begin(part, TRAINING, "one") == newest
    checkpoints.failed(part, newest, sound=False)
    assert checkpoints.begin(part, TRAINING, "one") is None


def test_only_the_newest_stays_whole(part: Path) -> None:
    for steps in (2, 4, 6):
        saved(part, steps)
    checkpoints.prune(part / "model", TRAINING.results)
    assert not (part / "model" / "checkpoint-2").exists()
    kept = {path.name for path in (part / "model" / "checkpoint-4").iterdir()}
    assert kept == MODEL | {checkpoints.MARK}
    assert [(one.steps, one.resumable) for one in checkpoints.whole(part / "model")] == [(4, False), (6, True)]


def test_nothing_of_it_is_left_in_the_end(part: Path) -> None:
    saved(part, 4)
    saved(part, 8)
    saved(part, 9, whole=False)
    saved(part, 10, state=False)
    checkpoints.end(part, TRAINING)
    left = {str(path.relative_to(part)) for path in part.rglob("*") if path.is_file()}
    assert left == {f"model/checkpoint-{steps}/{name}" for steps in (4, 10) for name in MODEL}
