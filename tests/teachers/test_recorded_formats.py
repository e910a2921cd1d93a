"""Recorded traces in every published layout become the same prompts and the same normal form."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import recorded_rows as rows
from corpus_samples import completion, line, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin.sources.formats import s1k
from mot_plugin.sources.problems import Problem, digest
from mot_plugin.teachers.layouts import FORMATS
from mot_plugin.teachers.recorded import OURS, Recorded
from mot_plugin.teachers.traces import Prompt, Sample, TeacherSource
from mot_plugin.teachers.verdicts import Rejected, normalise

PROBLEM, REASONING, ANSWER = "What is 17 + 31?\nAnswer in words?", "I add.\n\nTwice.", "It is \\boxed{48}."
NORMAL = f"<think>\n{REASONING}\n</think>\n\n{ANSWER}"
OWN = {
    "problem": "q",
    "reasoning": "thought",
    "answer": "reply",
    "reference": "meta.gold",
    "finish_reason": "end",
    "id": "n",
}

Maker = Callable[[str, str, str, str], rows.Row]
# Whose row, our name of the layout, what a user says besides, whether the row holds the reference
LAYOUTS: list[tuple[Maker, str, dict[str, str], bool]] = [
    (rows.s1k, "s1k-1.1", {}, True),
    (rows.mixture_of_thoughts, "messages", {}, False),
    (rows.sharegpt, "messages", {}, False),
    (rows.split_messages, "messages", {"reference": "gold"}, True),
    (rows.alpaca, "alpaca", {}, False),
    (rows.openthoughts, "openthoughts", {}, False),
    (rows.openthoughts3, "openthoughts", {}, False),
    (rows.openthoughts_metadata, "openthoughts-metadata", {}, True),
    (rows.openmathreasoning, "openmathreasoning", {}, True),
    (rows.openr1, "openr1", {}, True),
    (rows.am_deepseek, "am-deepseek", {}, True),
    (rows.own_columns, "columns", OWN, True),
]
IDS = [maker.__name__ for maker, *_ in LAYOUTS]


def read(path: Path, form: str, columns: dict[str, str] | None = None, teacher: str | None = None) -> list[Prompt]:
    source: TeacherSource = Recorded(path, form, columns or {}, teacher)
    return list(source.prompts())


def test_every_format_is_tried() -> None:
    assert {form for _, form, *_ in LAYOUTS} == set(FORMATS)


@pytest.mark.parametrize(("maker", "form", "columns", "referenced"), LAYOUTS, ids=IDS)
def test_every_layout_is_read(
    tmp_path: Path, maker: Maker, form: str, columns: dict[str, str], *, referenced: bool
) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [maker(PROBLEM, REASONING, ANSWER, "48")])
    (prompt,) = read(path, form, columns)
    assert prompt.problem == PROBLEM
    assert prompt.references == (("48",) if referenced else ())
    assert normalise(prompt.samples[0]) == NORMAL


def test_samples_as_they_come(tmp_path: Path) -> None:
    """What a layout says beyond text: ends, several samples, ids."""
    path = write_jsonl(tmp_path / "t.jsonl", [rows.openr1(PROBLEM, REASONING, ANSWER, "48")])
    assert read(path, "openr1") == [
        Prompt("5f1e0d4c", PROBLEM, ("48",), (Sample(NORMAL, "stop"), Sample("<think>\nWait", "length")))
    ]
    path = write_jsonl(tmp_path / "own.jsonl", [rows.own_columns(PROBLEM, REASONING, ANSWER, "48")])
    assert read(path, "columns", OWN) == [Prompt("17", PROBLEM, ("48",), (Sample(NORMAL, "stop"),))]
    path = write_jsonl(tmp_path / "s1k.jsonl", [rows.s1k(PROBLEM, REASONING, ANSWER, "48")])
    assert read(path, "s1k-1.1") == [Prompt(digest(PROBLEM), PROBLEM, ("48",), (Sample(NORMAL, None),))]


def test_our_own_format(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [line("a", completion(25))])
    (prompt,) = read(path, OURS)
    assert prompt == Prompt("a", "Problem a?", ("25",), (Sample(**completion(25)),))


def test_references_are_those_of_the_source(tmp_path: Path) -> None:
    """A problem asked of live teachers and one with recorded traces must be judged alike, and be the same by id."""
    solutions = [
        "First add.\n\nSo \\boxed{48}.",
        "The sum grows.\n\nSo it must be more than all that was named before, which was to be shown.",
        None,
        "48",
    ]
    made = [rows.s1k(f"What is number {n}? ", REASONING, ANSWER, text) for n, text in enumerate(solutions)]
    made.append(rows.s1k("Prove that 1 = 1.", REASONING, ANSWER, "48"))
    prompts = read(write_jsonl(tmp_path / "t.jsonl", made), "s1k-1.1")
    sources = [s1k(row, {}) for row in made]
    assert [prompt.references for prompt in prompts] == [("48",), (), (), ("48",), ()]
    assert all(isinstance(source, Problem) for source in sources)
    assert [(one.id, one.problem, one.references) for one in prompts] == [
        (source.id, source.problem, source.references) for source in sources if isinstance(source, Problem)
    ]


def test_a_row_with_traces_of_two_teachers(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [rows.s1k(PROBLEM, REASONING, ANSWER, "48")])
    theirs = f"<think>\nGemini: {REASONING}\n</think>\n\nGemini: {ANSWER}"
    for teacher, text in (("gemini", theirs), ("Gemini-2.0-flash", theirs), ("deepseek-r1", NORMAL), (None, NORMAL)):
        (prompt,) = read(path, "s1k-1.1", teacher=teacher)
        assert prompt.samples == (Sample(text, None),)


def test_rows_of_one_of_several_teachers(tmp_path: Path) -> None:
    made = [rows.openmathreasoning(PROBLEM, REASONING, f"\\boxed{{{number}}}", "48") for number in range(4)]
    made[1]["generation_model"] = made[3]["generation_model"] = "QwQ-32B"
    path = write_jsonl(tmp_path / "t.jsonl", made)
    (prompt,) = read(path, "openmathreasoning", teacher="QwQ-32B")
    assert [sample.text[-9:] for sample in prompt.samples] == ["\\boxed{1}", "\\boxed{3}"]
    assert read(path, "openmathreasoning", teacher="qwq-32b") == [prompt]


def test_a_file_that_names_nobody_is_of_the_teacher(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [rows.openr1(PROBLEM, REASONING, ANSWER, "48")])
    assert len(read(path, "openr1", teacher="deepseek-r1")) == 1


def test_rows_of_other_modes_are_no_traces(tmp_path: Path) -> None:
    made = [rows.openmathreasoning(PROBLEM, REASONING, ANSWER, "48") for _ in range(3)]
    made[0]["inference_mode"], made[2]["inference_mode"] = "genselect", "tir"
    (prompt,) = read(write_jsonl(tmp_path / "t.jsonl", made), "openmathreasoning")
    assert len(prompt.samples) == 1
    del made[1]["inference_mode"]
    (prompt,) = read(write_jsonl(tmp_path / "t.jsonl", made), "openmathreasoning")
    assert len(prompt.samples) == 1


def test_rows_of_one_problem_are_one_prompt(tmp_path: Path) -> None:
    columns = {"problem": "p", "text": "t", "reference": "r", "id": "i"}
    made = [
        {"p": "What is\n2 + 2?", "t": "<think>a</think>4", "r": "4", "i": "z"},
        {"p": "Another?", "t": "<think>b</think>5", "r": math.nan},
        {"p": "what is 2  + 2?", "t": ["<think>c</think>5", "<think>d</think>6"], "r": ["four", 4.0], "i": "y"},
        {"p": "Another?", "t": None, "r": 0.5},
    ]
    prompts = read(write_jsonl(tmp_path / "t.jsonl", made), "columns", columns)
    assert prompts == [
        Prompt(
            "y",
            "What is\n2 + 2?",
            ("4", "four"),
            (Sample("<think>a</think>4"), Sample("<think>c</think>5"), Sample("<think>d</think>6")),
        ),
        Prompt(digest("Another?"), "Another?", ("0.5",), (Sample("<think>b</think>5"), Sample(""))),
    ]
    again = read(write_jsonl(tmp_path / "t.jsonl", made[::-1]), "columns", columns)
    assert {(one.id, one.references) for one in again} == {(one.id, one.references) for one in prompts}


def test_references_come_in_order(tmp_path: Path) -> None:
    columns = {"problem": "p", "text": "t", "reference": "r.gold"}
    made = [{"p": "?", "t": "x", "r.gold": [number, str(number + 1)]} for number in (7, 3, 5, 1, 6)]
    (prompt,) = read(write_jsonl(tmp_path / "t.jsonl", made), "columns", columns)
    assert prompt.references == ("1", "2", "3", "4", "5", "6", "7", "8")


def test_what_is_empty_is_not_there(tmp_path: Path) -> None:
    row = rows.sharegpt(PROBLEM, REASONING, ANSWER, "48") | {"messages": None, "finish_reason": "", "n": " "}
    (prompt,) = read(write_jsonl(tmp_path / "t.jsonl", [row]), "messages", {"id": "n"})
    assert prompt == Prompt(digest(PROBLEM), PROBLEM, (), (Sample(NORMAL, None),))


def test_lists_of_thoughts_and_answers(tmp_path: Path) -> None:
    columns = {"problem": "p", "reasoning": "r", "answer": "a", "finish_reason": "f"}
    row = {"p": "?", "r": ["I", "so", None], "a": ["1", None, "3"], "f": ["END_TURN", "MAX_TOKENS", "error"]}
    (prompt,) = read(write_jsonl(tmp_path / "t.jsonl", [row]), "columns", columns)
    assert prompt.samples == (
        Sample("<think>\nI\n</think>\n\n1", "stop"),
        Sample("<think>\nso", "length"),
        Sample("3", "error"),
    )


def test_the_problem_may_stand_beside_the_turns(tmp_path: Path) -> None:
    row = rows.sharegpt(f"Solve this: {PROBLEM}", REASONING, ANSWER, "48") | {"problem": PROBLEM}
    path = write_jsonl(tmp_path / "t.jsonl", [row])
    assert read(path, "messages")[0].problem == f"Solve this: {PROBLEM}"
    assert read(path, "messages", {"problem": "problem"})[0].problem == PROBLEM


def test_samples_without_a_text_say_why(tmp_path: Path) -> None:
    refused, summed, cut = (rows.split_messages(f"Problem {n}?", REASONING, ANSWER, "48") for n in range(3))
    refused["messages"][2] = {"role": "assistant", "content": None, "refusal": "No."}
    details = [{"type": "reasoning.summary", "summary": "It adds."}]
    summed["messages"][2] = {"role": "assistant", "content": ANSWER, "reasoning_details": details}
    cut["messages"][2]["content"] = f"<answer>{ANSWER}"
    prompts = read(write_jsonl(tmp_path / "t.jsonl", [refused, summed, cut]), "messages")
    assert [prompt.samples for prompt in prompts] == [
        (Sample("", "stop", "refusal"),),
        (Sample("", "stop", "summary"),),
        (Sample("", "stop", "truncated"),),
    ]


@pytest.mark.parametrize(
    "system",
    [
        "",
        "You are a helpful assistant.",
        "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
        "Please reason step by step, and put your final answer within \\boxed{}.",
        "Answer as <think> thought </think> <answer> answer </answer>.",
        rows.LAYOUT_SYSTEM,
    ],
)
def test_system_turns_that_may_be_left_out(tmp_path: Path, system: str) -> None:
    row = rows.mixture_of_thoughts(PROBLEM, REASONING, ANSWER, "48")
    row["messages"].insert(0, {"role": "system", "content": system})
    (prompt,) = read(write_jsonl(tmp_path / "t.jsonl", [row]), "messages")
    assert normalise(prompt.samples[0]) == NORMAL


def test_parquet_and_folders_are_read(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    for number, made in enumerate(([rows.openr1(PROBLEM, REASONING, ANSWER, "48")],) * 2):
        parquet.write_table(pyarrow.Table.from_pylist(made), tmp_path / f"train-{number}.parquet")
    (prompt,) = read(tmp_path, "openr1")
    assert len(prompt.samples) == 4
    turns = tmp_path / "am"
    turns.mkdir()
    parquet.write_table(
        pyarrow.Table.from_pylist([rows.am_deepseek(PROBLEM, REASONING, ANSWER, "48")]), turns / "a.parquet"
    )
    assert read(turns, "am-deepseek")[0].references == ("48",)


def test_csv_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    cells = (json.dumps(cell) for cell in ("p", "t", "r", "What?", "<think>a</think>4", ""))
    path.write_text("{},{},{}\n{},{},{}\n".format(*cells), encoding="utf-8")
    columns = {"problem": "p", "text": "t", "reference": "r"}
    assert read(path, "columns", columns)[0].references == ()


# Nothing that is a tag, ends a part or is only space: those are the normaliser's and the messages' tests.
TEXT = st.text(alphabet="ab \n\u2028\u0085$\\{}é|", min_size=1, max_size=20).filter(str.strip)


@settings(max_examples=40)
@given(TEXT, TEXT, st.sampled_from(LAYOUTS))
def test_every_layout_says_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    reasoning: str,
    answer: str,
    layout: tuple[Maker, str, dict[str, str], bool],
) -> None:
    maker, form, columns, _ = layout
    path = tmp_path_factory.mktemp("layout") / "t.jsonl"
    write_jsonl(path, [maker(PROBLEM, reasoning, answer, "48")])
    target = normalise(Sample(f"<think>\n{reasoning}\n</think>\n\n{answer}", "stop"))
    assert not isinstance(target, Rejected)
    assert normalise(read(path, form, columns)[0].samples[0]) == target
