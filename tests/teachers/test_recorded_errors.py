"""What a user is told about recorded traces that cannot be read."""

from pathlib import Path
from typing import Any

import pytest
import recorded_rows as rows
from corpus_samples import write_jsonl

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.teachers.recorded import Recorded

ROW = ("What is 17 + 31?", "I add.", "It is \\boxed{48}.", "48")
PLAIN = {"problem": "p", "text": "t"}


def error_of(
    path: Path, made: list[Any], form: str, columns: dict[str, str] | None = None, teacher: str | None = None
) -> str:
    write_jsonl(path / "t.jsonl", made)
    with pytest.raises(FileError) as caught:
        list(Recorded(path / "t.jsonl", form, columns or {}, teacher).prompts())
    return str(caught.value)


def turns(*pairs: tuple[str, object]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in pairs]}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"t": "x"}, "t.jsonl:1: p is missing"),
        ({"p": None, "t": "x"}, "t.jsonl:1: p is empty"),
        ({"p": " ", "t": "x"}, "t.jsonl:1: p is empty"),
        ({"p": 7, "t": "x"}, "t.jsonl:1: p should be a text, got 7"),
        ({"p": "?", "t": {"a": 1}}, "t.jsonl:1: t should be a text or a list of texts, got {'a': 1}"),
        ({"p": "?", "t": ["x", 7]}, "t should be a text or a list of texts, got ['x', 7]"),
        ({"p": "?"}, "t.jsonl:1: t is missing"),
        ({"p": "? <think>", "t": "x"}, "the problem holds <think>, which a chat template writes: take it out"),
        ({"p": "?<|im_end|>", "t": "x"}, "the problem holds <|im_end|>"),
        ({"p": "?", "t": "x", "r": True}, "r should be a text, a number or a list of them, got True"),
        ({"p": "?", "t": "x", "r": {"a": 1}}, "r should be a text, a number or a list of them, got {'a': 1}"),
        ({"p": "?", "t": "x", "i": 1.5}, "i should be a text or a whole number, got 1.5"),
        ({"p": "?", "t": "x", "i": True}, "i should be a text or a whole number, got True"),
        ({"p": "?", "t": ["x", "y"], "f": ["stop"]}, "f has 1 entries for 2 samples"),
        ({"p": "?", "t": "x", "w": 3}, "w should be a text, got 3"),
    ],
)
def test_wrong_columns_are_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    columns = PLAIN | {"reference": "r", "id": "i", "finish_reason": "f", "teacher": "w"}
    right = {"p": "What?", "t": "x", "r": "1", "i": "a", "f": "stop", "w": "x"}
    assert said in error_of(tmp_path, [row, right], "columns", columns)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "x"}, "messages or conversations should be a list of turns, got None"),
        ({"messages": "x"}, "messages or conversations should be a list of turns, got 'x'"),
        ({"messages": ["x"]}, "should be a list of turns"),
        ({"messages": []}, "should be of a user and an assistant, got none"),
        (turns(("user", "?")), "should be of a user and an assistant, got user"),
        (turns(("user", "?"), ("assistant", "!"), ("user", "?")), "got user, assistant, user"),
        (turns(("assistant", "!"), ("user", "?")), "got assistant, user"),
        (turns(("user", "?"), ("tool", "!")), "got user, tool"),
        (turns(("user", ""), ("assistant", "!")), "the user's turn holds no text"),
        (turns(("user", [{"type": "image_url"}]), ("assistant", "!")), "the user's turn holds no text"),
        (
            turns(("system", "Answer like a pirate."), ("user", "?"), ("assistant", "!")),
            "a system turn says 'Answer like a pirate.', and the student would not see it: take such rows out",
        ),
        (turns(("user", "?"), ("assistant", "!")) | {"system": "You are a pirate assistant."}, "a system turn says"),
    ],
)
def test_wrong_turns_are_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    assert said in error_of(tmp_path, [row], "messages")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"history": [["a", "b"]]}, "history holds earlier turns: only a question and its answer can be read"),
        ({"system": "Answer like a pirate."}, "a system turn says"),
        ({"instruction": "", "input": None}, "instruction is empty, and so is input"),
    ],
)
def test_wrong_alpaca_rows_are_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    assert said in error_of(tmp_path, [rows.alpaca(*ROW) | changed], "alpaca")


def test_all_wrong_rows_are_told_at_once_up_to_ten(tmp_path: Path) -> None:
    made = [{"p": "", "t": "x"} for _ in range(12)]
    said = error_of(tmp_path, [{"p": "?", "t": "x"}, *made], "columns", PLAIN)
    assert said.startswith(f"{tmp_path}/t.jsonl has 12 wrong rows\n  {tmp_path}/t.jsonl:2: p is empty\n")
    assert len(said.split("\n")) == 12
    assert said.endswith("... and 2 more")
    said = error_of(tmp_path, made, "columns", PLAIN)
    assert said.endswith("no row is right: is 'columns' the format of this file?")


def test_thoughts_and_answers_come_in_pairs(tmp_path: Path) -> None:
    columns = {"problem": "p", "reasoning": "r", "answer": "a"}
    said = error_of(tmp_path, [{"p": "?", "r": ["x", "y"], "a": "z"}], "columns", columns)
    assert "r has 2 entries for 1 samples" in said


def test_one_id_for_two_problems(tmp_path: Path) -> None:
    made = [{"p": "a", "t": "x", "i": 1}, {"p": " A ", "t": "y", "i": 1}, {"p": "b", "t": "x", "i": "1"}]
    said = error_of(tmp_path, made, "columns", PLAIN | {"id": "i"})
    assert (
        said
        == f"{tmp_path}/t.jsonl has 1 wrong row\n  {tmp_path}/t.jsonl:3: id '1' is another problem's at {tmp_path}/t.jsonl:1"
    )


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, "say in `columns` which column holds the problem: problem: NAME"),
        ({"problem": "p"}, "say in `columns` where the trace stands: text: NAME, or reasoning: NAME and answer: NAME"),
        ({"problem": "p", "answer": "a"}, "say in `columns` where the trace stands"),
        ({"problem": "p", "text": "t", "answer": "a"}, "should name text, or reasoning and answer, not both"),
        (PLAIN | {"refrence": "r"}, "no 'refrence', did you mean 'reference'?; it has answer, finish_reason, id"),
        (
            PLAIN | {"reference": "gold"},
            "no row has the column 'gold' (for reference), did you mean 'golds'?\n  its columns: golds, p, t",
        ),
        (PLAIN | {"reference": "golds.answer"}, "no row has the column 'golds.answer' (for reference)"),
    ],
)
def test_columns_that_do_not_fit(tmp_path: Path, columns: dict[str, str], said: str) -> None:
    assert said in error_of(tmp_path, [{"p": "?", "t": "x", "golds": "1"}], "columns", columns)


def test_formats_that_do_not_fit(tmp_path: Path) -> None:
    said = error_of(tmp_path, [rows.openr1(*ROW)], "openR1")
    assert "no format is called 'openR1', did you mean 'openr1'?; there are mot, columns, messages" in said
    said = error_of(tmp_path, [rows.s1k(*ROW)], "openr1")
    assert "problem is missing" in said
    assert "is 'openr1' the format of this file?" in said
    assert "leave `columns` out" in error_of(tmp_path, [rows.s1k(*ROW)], "mot", {"problem": "question"})


def test_teachers_that_do_not_fit(tmp_path: Path) -> None:
    made = [rows.openmathreasoning(*ROW), rows.openmathreasoning(*ROW) | {"generation_model": "QwQ-32B"}]
    named = "DeepSeek-R1 (1 rows), QwQ-32B (1 rows)"
    said = error_of(tmp_path, made, "openmathreasoning")
    assert said == f"{tmp_path}/t.jsonl has rows of several teachers: set `teacher` to one of {named}"
    said = error_of(tmp_path, made, "openmathreasoning", teacher="QwQ-32")
    assert said == f"{tmp_path}/t.jsonl: no row is of the teacher QwQ-32, did you mean 'QwQ-32B'?; it has {named}"
    del made[0]["generation_model"]
    said = error_of(tmp_path, made, "openmathreasoning", teacher="QwQ-32B")
    assert said == f"{tmp_path}/t.jsonl: 1 rows name no teacher, others do: QwQ-32B (1 rows)"
    said = error_of(tmp_path, [rows.s1k(*ROW)], "s1k-1.1", teacher="qwq")
    assert "a row has traces of deepseek and gemini, none of qwq: mend `teacher`" in said


def test_a_file_without_traces(tmp_path: Path) -> None:
    made = [rows.openmathreasoning(*ROW) | {"inference_mode": "tir"}]
    assert "no row has inference_mode 'cot', as this format's traces have" in error_of(
        tmp_path, made, "openmathreasoning"
    )
    assert "is empty" in error_of(tmp_path, [], "messages")
    with pytest.raises(MissingInput, match="no such file"):
        Recorded(tmp_path / "none.jsonl", "messages").prompts()


def test_broken_lines_are_told(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [rows.openr1(*ROW)])
    path.write_bytes(path.read_bytes() + b'{"problem": \n')
    with pytest.raises(FileError, match=r"t\.jsonl:2: not JSON"):
        Recorded(path, "openr1").prompts()
