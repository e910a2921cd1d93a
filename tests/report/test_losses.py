"""Losses read from trainers' logs as LLaMA-Factory writes them, whole, broken off or with NaN, and laid along steps."""

from pathlib import Path

from mot_plugin.report import losses
from mot_plugin.report.losses import Losses, Probe

ROW = '{"current_steps": %d, "total_steps": 3, "loss": %s, "lr": 0.0003, "epoch": 0.1, "percentage": 6.7}\n'
END = '{"current_steps": 3, "total_steps": 3, "epoch": 1.0, "percentage": 100.0, "total_tokens": 4321}\n'


def test_a_log(tmp_path: Path) -> None:
    log = tmp_path / "trainer_log.jsonl"
    log.write_text(ROW % (1, "0.5") + ROW % (2, "NaN") + ROW % (3, "0.25") + END + '{"current_st', encoding="utf-8")
    (tmp_path / losses.PROBE).write_text(
        '{"step": 0, "loss": 0.75, "tokens": 100, "corpus": "qwq"}\n{"step": 3, "loss": null, "corpus": "qwq"}\n',
        encoding="utf-8",
    )
    found = losses.read(log, "MoT", "qwq", 2, 3)
    assert found == Losses("MoT", "qwq", 2, 3, ((1, 0.5), (3, 0.25)), (Probe(0, 0.75, "qwq"),), 4321)


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert losses.read(tmp_path / "trainer_log.jsonl", "STD", "qwq", None, 3) == Losses("STD", "qwq", None, 3)


def test_rounds_stand_one_after_the_other() -> None:
    rounds = [
        Losses("MoT", teacher, number, 2, ((1, number + 0.1), (2, number + 0.2)), (Probe(0, number + 0.5, "p"),))
        for number in (2, 1)
        for teacher in ("qwq", "r1")
    ]
    points, merges = losses.along([*rounds, Losses("STD", "qwq", None, 4, ((1, 9.0),))], "MoT", "qwq")
    assert points == ((1, 1.1), (2, 1.2), (3, 2.1), (4, 2.2))
    assert merges == (2,)
    assert losses.probed(rounds, "MoT", "qwq") == {"p": ((0, 1.5), (2, 2.5))}
    assert losses.round_steps(rounds) == 2
    assert losses.round_steps([]) is None


def test_the_merged_model_comes_after_its_branch(tmp_path: Path) -> None:
    """The last round has no next one whose step 0 would show what its merge made."""
    log, merged = tmp_path / "trainer_log.jsonl", tmp_path / "merged" / losses.PROBE
    log.write_text("", encoding="utf-8")
    log.with_name(losses.PROBE).write_text('{"step": 0, "loss": 3.0, "corpus": "qwq"}\n', encoding="utf-8")
    merged.parent.mkdir()
    merged.write_text('{"step": 0, "loss": 2.0, "corpus": "qwq"}\n', encoding="utf-8")
    last = losses.read(log, "MoT", "qwq", 2, 4, merged)
    assert losses.probed([last], "MoT", "qwq") == {"qwq": ((4.0, 3.0), (8.0, 2.0))}
    assert losses.read(log, "MoT", "qwq", 2, 4, tmp_path / "not there").probes == (Probe(0, 3.0, "qwq"),)
