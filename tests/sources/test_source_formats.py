"""Rows of published data sets as problems: text, references, ids, and why there is no reference."""

from typing import Any

import pytest
from source_samples import BOXED, boba, s1k

from mot_plugin.sources import references
from mot_plugin.sources.formats import DEFAULT_COLUMNS, FORMATS, wrong_columns
from mot_plugin.sources.problems import Problem, Skipped, digest


def read(name: str, row: dict[str, Any], **columns: str) -> Problem:
    made = FORMATS[name](row, columns)
    assert isinstance(made, Problem)
    return made


def test_boba_loses_its_template_and_keeps_its_instruction() -> None:
    made = read("boba", boba("What is $1+1$?", "2", "2.0", name="q7"))
    assert made == Problem("q7", f"What is $1+1$? {BOXED}", ("2", "2.0"), None, {})


def test_boba_in_its_other_spellings() -> None:
    row = boba("Why?", "3")
    row["qid"] = row.pop("query_id")
    row["prompt"] = "<\uff5cbegin\u2581of\u2581sentence\uff5c>" + row["prompt"].removesuffix("<think>\n")
    made = read("boba", row)
    assert (made.id, made.problem) == ("q1", f"Why? {BOXED}")
    trace = {"prompt": row["prompt"], "answer": "<think>\nIs it \\boxed{4}?\n</think>\nIt is \\boxed{5}."}
    made = read("boba", trace)
    assert made == Problem(digest("Why?"), f"Why? {BOXED}", ("5",), None, {"reference_from": "answer"})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (boba("Sort a list.", "1", task="code"), "not_math"),
        (boba("A", "1") | {"prompt": None}, "no_problem"),
        (boba("A", "1") | {"prompt": "<\uff5cUser\uff5c>\n<think>\n"}, "no_problem"),
        (boba("A<\uff5cUser\uff5c>B", "1"), "chat_token"),
        (boba("Say </think> now", "1"), "chat_token"),
    ],
)
def test_rows_of_boba_that_are_no_problems(row: dict[str, Any], reason: str) -> None:
    assert FORMATS["boba"](row, {}) == Skipped(reason)


@pytest.mark.parametrize("name", ["s1k", "s1k-1.1"])
def test_s1k_keeps_where_a_problem_is_from(name: str) -> None:
    row = s1k("What is the sum?", "We add, so $\\boxed{ 7 }$ it is.", deepseek_attempt="\\boxed{8}")
    assert read(name, row) == Problem(
        digest("What is the sum?"), "What is the sum?", ("7",), None, {"cot_type": "math", "source_type": "made/up"}
    )


STATED = "{'domain': ['Algebra'], 'answer': '\\\\frac{3}{4}'}"
PROSE = "First we look at all the ways to sort the boats, then we count them, and so on until none is left."


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (s1k("What?", "42"), "42"),
        (s1k("Pick A or B.", "Long talk about physics.\n\nAnswer: C"), "C"),
        (s1k("Clue (4)", "### Answer: NOON", cot_type="crossword"), "NOON"),
        (s1k("Prove it, and find the least $n$.", "So \\boxed{5}."), "5"),
        (s1k("What is it?", PROSE, metadata=STATED), r"\frac{3}{4}"),
        (s1k("What is it?", PROSE, metadata="{'final_answer': ['12'], 'unit': None}"), "12"),
        (s1k("What is it?", None, metadata="{'answer': 3}"), "3"),
        (s1k("What is it?", "We see \\boxed{5}, then again \\boxed{ 5 }."), "5"),
    ],
)
def test_where_the_reference_of_s1k_is_found(row: dict[str, Any], expected: str) -> None:
    made = read("s1k", row)
    assert (made.references, made.unverifiable) == ((expected,), None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (s1k("Write a program.", None, cot_type="coding"), "coding"),
        (s1k("Show that $a < b$.", "Clear. \\boxed{a<b}"), "proof"),
        (s1k("What is it?", "\\boxed{1}", source_type="Hothan/OlympiadBench/Theorem proof/Math"), "proof"),
        (s1k("(a) How many? (b) How few?", "(a) \\boxed{9} (b) \\boxed{1}"), "several_answers"),
        (s1k("Both?", PROSE, metadata="{'final_answer': ['1', '2']}"), "several_answers"),
        (s1k("What is it?", PROSE), "no_answer_in_solution"),
        (s1k("What is it?", PROSE, metadata="{'answer': "), "no_answer_in_solution"),
        (s1k("What is it?", "x = 1\ny = 2"), "no_answer_in_solution"),
        (s1k("What is it?", None), "no_reference"),
        (s1k("What is it?", " "), "no_reference"),
        (s1k("What is it?", "\\boxed{\\text{" + PROSE + "}}"), "no_checkable_answer"),
    ],
)
def test_why_s1k_has_no_reference(row: dict[str, Any], reason: str) -> None:
    made = read("s1k", row)
    assert (made.references, made.unverifiable) == ((), reason)


def test_columns_read_any_data_set() -> None:
    row = {"q": " How many? ", "gold": 27.0, "nr": 12, "answer": "1"}
    assert read("columns", row, problem="q", reference="gold", id="nr") == Problem("12", "How many?", ("27",))
    assert read("columns", row, problem="q") == Problem(digest("how  many?"), "How many?", (), "no_reference")
    own = {"id": "a", "problem": "How many?", "answer": "27"}
    assert read("columns", own) == read("columns", own, **DEFAULT_COLUMNS) == Problem("a", "How many?", ("27",))


def test_a_mark_in_a_solution_is_a_setting() -> None:
    mapping = {"problem": "question", "reference": "answer", "reference_after": "####"}
    row = {"question": "Eggs?", "answer": "She sells 9 * 2 = <<9*2=18>>18 eggs.\nAll of them.\n#### 1,018"}
    assert read("columns", row, **mapping).references == ("1,018",)
    assert read("columns", row | {"answer": "18"}, **mapping).unverifiable == "no_answer_in_solution"
    assert read("columns", row | {"answer": None}, **mapping).unverifiable == "no_reference"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("025", ("025",)),
        (25, ("25",)),
        (25.0, ("25",)),
        (2.5, ("2.5",)),
        (["1/2", "0.5", "1/2"], ("1/2", "0.5")),
        ([PROSE, "3"], ("3",)),
        (("\\boxed{204}",), ("204",)),
        (True, ("True",)),
    ],
)
def test_references_come_as_text_numbers_and_lists(value: object, expected: tuple[str, ...]) -> None:
    assert references.of_value(value) == references.Gold(expected)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "no_reference"), ([], "no_reference"), ("", "no_reference"), ([PROSE], "no_answer_in_solution")],
)
def test_a_value_without_an_answer(value: object, reason: str) -> None:
    assert references.of_value(value) == references.Gold((), reason)


@pytest.mark.parametrize("name", [None, "", "  ", 1.5, True, ["a"]])
def test_without_an_id_the_text_names_a_problem(name: object) -> None:
    made = read("columns", {"problem": f"How  MANY? {BOXED}", "answer": "1", "id": name})
    assert made.id == digest("how many?")
    assert len(made.id) == 16


@pytest.mark.parametrize(
    ("name", "columns", "said"),
    [
        ("columns", {"problm": "a", "problem": "b"}, "unknown key 'problm', did you mean 'problem'?"),
        ("columns", {"reference": "a"}, "says not which column is the problem"),
        ("columns", {"problem": "a", "reference_after": "####"}, "has reference_after, but no reference"),
        ("boba", {"problem": "a"}, "boba knows its own"),
    ],
)
def test_wrong_columns_are_told(name: str, columns: dict[str, str], said: str) -> None:
    assert said in "\n".join(wrong_columns(name, columns))


def test_right_columns_are_not() -> None:
    assert not [*wrong_columns("columns", {}), *wrong_columns("columns", DEFAULT_COLUMNS), *wrong_columns("s1k", {})]
