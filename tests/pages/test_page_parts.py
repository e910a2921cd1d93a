"""The parts of a page: time without pauses, what is not shown, traces to look at, numbers on top."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from page_world import BEGAN, LaidOut, lay_out, write_corpus

from mot_plugin.corpus.build import Config
from mot_plugin.corpus.look import Corpus
from mot_plugin.pages import cost, discreet, examples, headline, page, timeline
from mot_plugin.pages.timeline import Clock, Span
from mot_plugin.report.board import Board
from mot_plugin.report.scores import Checkpoint, Score


def span(begin: float, end: float, step: str = "mot/round-1/merge", **more: object) -> Span:
    given = {
        "kind": "merge",
        "method": "MoT",
        "state": "done",
        "attempts": 1,
        "gpus": 0,
        "peak_mb": None,
        "elsewhere": None,
    }
    return Span(step, 1, begin=begin, end=end, **{**given, **more})  # type: ignore[arg-type]


def test_a_long_pause_is_cut_out_and_marked() -> None:
    every = [span(0, 100), span(100, 200), span(10_200, 10_400)]
    clock = Clock(every)
    assert clock.worked == 400
    assert clock.place(0) == 0
    assert clock.place(10_400) == 1
    assert clock.place(200) == pytest.approx(200 / 404.8)
    assert clock.place(10_200) == pytest.approx(204.8 / 404.8)
    (pause,) = clock.pauses()
    assert pause.words == "nothing ran for 2 h 46"
    assert 100 * clock.place(200) < pause.left < 100 * clock.place(10_200)


def test_a_short_pause_stays() -> None:
    clock = Clock([span(0, 100), span(102, 200)])
    assert clock.pauses() == ()
    assert clock.place(101) == pytest.approx(0.505)


def test_what_ran_at_once_is_counted_once_and_drawn_on_two_lines() -> None:
    every = [span(0, 100, "std/a/train"), span(50, 150, "std/a/step-1/evaluate"), span(150, 200, "std/a/select")]
    clock = Clock(every)
    assert clock.worked == 200
    drawn = timeline.timeline(every, clock)
    ((lane, lines),) = drawn.lanes
    assert lane == "std/a"
    assert [[bar.span.step for bar in line] for line in lines] == [
        ["std/a/train", "std/a/select"],
        ["std/a/step-1/evaluate"],
    ]
    assert [(bar.left, bar.width) for bar in lines[1]] == [(25, 50)]


@pytest.mark.parametrize("every", [[], [span(5, 5)]])
def test_a_line_of_no_time(every: list[Span]) -> None:
    clock = Clock(every)
    assert clock.place(5) == 0
    assert [tick.words for tick in clock.ticks()] == ["0", "1 s"]


def test_ticks_are_round() -> None:
    assert [tick.words for tick in Clock([span(0, 5400)]).ticks()] == [
        "0",
        "15 min",
        "30 min",
        "45 min",
        "1 h",
        "1 h 15",
        "1 h 30",
    ]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("HF_TOKEN=hf_abc run", "HF_TOKEN=(not shown) run"),
        ("OPENAI_API_KEY='a b' run", "OPENAI_API_KEY=(not shown) run"),
        ("curl https://me:word@host/v1", "curl https://host/v1"),
        ("--max_tokens=512 tokenizer=x", "--max_tokens=512 tokenizer=x"),
    ],
)
def test_what_is_not_shown(said: str, shown: str) -> None:
    assert discreet.text(said) == shown


def test_what_is_not_shown_of_a_machine() -> None:
    given = {
        "env": {"HF_TOKEN": "secret", "OMP_NUM_THREADS": "1"},
        "api_key_env": "MY_KEY",
        "max_tokens": 5,
        "list": ["a"],
    }
    shown = {**given, "env": {"HF_TOKEN": discreet.HIDDEN, "OMP_NUM_THREADS": "1"}}
    assert discreet.data(given) == shown


@pytest.fixture
def run(tmp_path: Path) -> LaidOut:
    made = lay_out(tmp_path)
    made.finish()
    return made


def corpus_of(run: LaidOut) -> Corpus:
    step = run.plan["corpus/anna"]
    return Corpus(run.folder.root, step.name, Config.model_validate_json(next(f.text for f in step.call.files)))


def test_examples_are_kept_rows_and_one_of_each_rejection(run: LaidOut, tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    found = examples.examples(corpus_of(run), memory)
    assert [(one.kept, one.verdict) for one in found] == [(True, "correct"), (False, "wrong")]
    assert found[0].thought == "corpus/anna counts"
    assert found[0].answer == "\\boxed{2}"
    assert found[1].why == "Its boxed answer is not the reference."
    write_corpus(run.store.out(run.plan.prints["corpus/anna"]), "anna", (("What?", "changed"),))
    assert examples.examples(corpus_of(run), memory) == found, "remembered"


def test_large_traces_are_not_read(run: LaidOut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "LARGEST", 10)
    assert [one.kept for one in examples.examples(corpus_of(run), tmp_path / "memory.json")] == [True]


def test_traces_that_are_gone_leave_the_rows(run: LaidOut, tmp_path: Path) -> None:
    (run.folder.root / "inputs" / "traces" / "anna.jsonl").unlink()
    assert [one.kept for one in examples.examples(corpus_of(run), tmp_path / "memory.json")] == [True]


@pytest.mark.parametrize("broken", ["{", "[]", '{"format": 99}'])
def test_a_memory_that_is_something_else_is_made_again(run: LaidOut, tmp_path: Path, broken: str) -> None:
    memory = tmp_path / "memory.json"
    memory.write_text(broken)
    assert len(examples.examples(corpus_of(run), memory)) == 2
    assert json.loads(memory.read_text())["examples"]


def test_a_long_trace_loses_its_middle() -> None:
    text = "a" * 5000 + "b" * 5000
    short = examples.shorten(text)
    assert short.startswith("aaa")
    assert short.endswith("bbb")
    assert "[… 4,000 characters left out …]" in short
    assert examples.shorten("c" * 6000) == "c" * 6000


def test_what_it_cost() -> None:
    every = [
        span(0, 3600, "mot/round-1/branches/a", kind="train", gpus=8, peak_mb=100),
        span(3600, 5400, "std/a/train", kind="train", method="STD", gpus=8, attempts=2, peak_mb=300),
        span(5400, 5460, elsewhere="other"),
    ]
    kinds, methods = cost.tables(every)
    assert kinds.rows == (
        ("train", "2", "1:30:00", "12.00", "300 MB"),
        ("merge", "1", "1:00", "0.00", "\N{EN DASH}"),
        ("all", "3", "1:31:00", "12.00", "300 MB"),
    )
    assert [row[0] for row in methods.rows] == ["MoT", "STD", "all"]
    assert kinds.notes[1:] == (
        "1 step took more than one attempt; earlier ones are not in it.",
        "1 step was made by another run and reused: their time is in it.",
    )


def score(value: float, **which: object) -> Score:
    given = {"method": "MoT", "teacher": None, "round": None, "step": None, **which}
    return Score(**given, task="t", metric="score", value=value, stderr=0.01, problems=5, repeats=1, fingerprint="f")  # type: ignore[arg-type]


def test_strips_are_the_base_and_each_methods_last_and_best() -> None:
    models = [
        Checkpoint("base"),
        *(Checkpoint("MoT", round=number) for number in (1, 2, 3)),
        Checkpoint("STD", "a", step=5),
    ]
    scores = (score(0.5, method="base"), *(score(0.5 + n / 10, round=n) for n in (1, 2)), score(0.6, round=3))
    strips = headline.strips(Board(tuple(models), ("t",), scores))
    assert [(one.label, one.when, one.value, one.kind) for one in strips] == [
        ("Base", "", Decimal("50.00"), "base"),
        ("MoT", "round 3", Decimal("60.00"), "last"),
        ("MoT", "round 2", Decimal("70.00"), "best"),
    ]
    scale = headline.scale(strips)
    assert (scale.low, scale.high) == (45, 75)
    assert scale.place(60) == 50
    assert headline.scale([]).ticks[0] == 0


@pytest.mark.parametrize(("seconds", "words"), [(0.04, "0.0 s"), (9.96, "10 s"), (61, "1:01"), (7265, "2:01:05")])
def test_times_in_words(seconds: float, words: str) -> None:
    assert page.took(seconds) == words


def test_a_killed_steps_last_sign_of_life_is_its_end(tmp_path: Path) -> None:
    run = lay_out(tmp_path)
    run.do(run.plan.steps[0], "running", pid=2**22 + 5)
    (found,) = timeline.spans(run.plan, run.store, BEGAN + 1e6)
    log = run.store.home(run.plan.prints[run.plan.steps[0].name]) / "attempt-1.log"
    assert (found.begin, found.end) == (BEGAN, log.stat().st_mtime)
