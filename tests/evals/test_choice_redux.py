"""What MMLU-Redux's annotations make of MMLU's labels. The questions are invented."""

import pytest

from mot_plugin.evals.choice_redux import Label, corrected

OPTIONS = ("iron", "gold", "zinc", "lead")


def label(error_type: str, suggestion: str, options: tuple[str, ...] = OPTIONS) -> Label:
    return corrected(options, 0, error_type, suggestion)


@pytest.mark.parametrize(
    ("suggestion", "right"),
    [("2", 2), ("C", 2), ("(C)", 2), ("C.", 2), (" 2 ", 2), ("zinc", 2), ("Zinc.", 2), ("0", 0), ("'C'", 2)],
)
def test_a_wrong_label_is_replaced(suggestion: str, right: int) -> None:
    assert label("wrong_groundtruth", suggestion) == Label(OPTIONS, (right,), "corrected")


@pytest.mark.parametrize(
    ("suggestion", "right"),
    [
        ("0,2", (0, 2)),
        ("1, 2", (1, 2)),
        ("A and C", (0, 2)),
        ("(A) and (C)", (0, 2)),
        ("B or C", (1, 2)),
        ("A, B, and C", (0, 1, 2)),
        ("[0, 3]", (0, 3)),
        ("C/D", (2, 3)),
        ("2", (0, 2)),  # only one named: the label stays right besides
        ("zinc", (0, 2)),
    ],
)
def test_several_right_options(suggestion: str, right: tuple[int, ...]) -> None:
    assert label("multiple_correct_answers", suggestion) == Label(OPTIONS, right, "corrected")


def test_a_right_option_is_put_in_where_there_was_none() -> None:
    assert label("no_correct_answer", "tin") == Label(("tin", "gold", "zinc", "lead"), (0,), "corrected")
    assert label("no_correct_answer", "2") == Label(("2", "gold", "zinc", "lead"), (0,), "corrected")  # a number, not C


def test_a_suggestion_that_is_an_option_already_is_not_put_in_twice() -> None:
    assert label("no_correct_answer", "Gold") == Label(OPTIONS, (1,), "corrected")
    assert label("no_correct_answer", "B") == Label(OPTIONS, (1,), "corrected")


@pytest.mark.parametrize(
    ("error_type", "suggestion"),
    [
        ("ok", ""),
        ("ok", "2"),
        ("expert", "2"),
        ("bad_question_clarity", "2"),
        ("bad_options_clarity", "C"),
        ("wrong_groundtruth", ""),
        ("wrong_groundtruth", "None"),
        ("wrong_groundtruth", "nan"),
        ("wrong_groundtruth", "7"),
        ("wrong_groundtruth", "E"),
        ("wrong_groundtruth", "depends on the century"),
        ("multiple_correct_answers", ""),
        ("multiple_correct_answers", "A and something else"),
        ("no_correct_answer", ""),
        ("no_correct_answer", "N/A"),
    ],
)
def test_the_label_stays_where_nothing_names_another(error_type: str, suggestion: str) -> None:
    assert label(error_type, suggestion) == Label(OPTIONS, (0,), "original")
