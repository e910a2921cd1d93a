"""The questions of the multiple-choice tasks from local copies. All rows here are invented."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import choice_rows
import pytest

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.evals import choice_loaders, subjects

Loader = Callable[..., Mapping[str, Any]]
LOADERS: dict[str, Loader] = {
    "ceval": choice_loaders.ceval,
    "supergpqa": choice_loaders.supergpqa,
    "mmlu_pro": choice_loaders.mmlu_pro,
    "mmlu_redux": choice_loaders.mmlu_redux,
    "gpqa_diamond": choice_loaders.gpqa,
}
COUNTS = {"ceval": 1346, "supergpqa": 26529, "mmlu_pro": 12032, "mmlu_redux": 5700, "gpqa_diamond": 198}


def load(folder: Path, stem: str, rows: list[dict[str, Any]] | None = None, **arguments: Any) -> Any:
    choice_rows.write(folder, stem, choice_rows.ROWS[stem]() if rows is None else rows)
    return LOADERS[stem](mot_data_dir=str(folder), version=1.0, pretrained="ignored", **arguments)["test"]


def test_the_names_of_the_parts() -> None:
    assert (len(subjects.CEVAL), len(set(subjects.CEVAL.values())), len(set(subjects.MMLU))) == (52, 52, 57)


@pytest.mark.parametrize("stem", LOADERS)
def test_every_benchmark_from_a_file(tmp_path: Path, stem: str) -> None:
    data = load(tmp_path, stem)
    assert len(data) == COUNTS[stem]
    assert data.column_names[:5] == ["id", "problem", "letters", "options", "gold"]
    doc = data[3]
    assert len(doc["letters"]) == len(doc["options"])
    assert doc["gold"] in doc["letters"]
    assert json.loads(json.dumps(doc)) == doc  # plain values: they end in the samples and come back from there
    assert len(set(data["id"])) == COUNTS[stem]


@pytest.mark.parametrize("stem", LOADERS)
def test_a_part_of_a_benchmark_is_refused(tmp_path: Path, stem: str) -> None:
    with pytest.raises(FileError, match=rf"{stem}\.jsonl: 20 rows, but the `\w+` split of \S+/\S+ has {COUNTS[stem]}"):
        load(tmp_path, stem, choice_rows.ROWS[stem](20))


@pytest.mark.parametrize("stem", LOADERS)
def test_a_missing_copy_says_how_to_get_one(tmp_path: Path, stem: str) -> None:
    with pytest.raises(MissingInput, match=rf"{stem}\.jsonl(.|\n)*hf download --repo-type dataset \S+/\S+ --local-dir"):
        LOADERS[stem](mot_data_dir=str(tmp_path))


@pytest.mark.parametrize("stem", LOADERS)
def test_columns_that_are_not_there_are_named(tmp_path: Path, stem: str) -> None:
    rows = [{"text": "?"}] * COUNTS[stem]
    with pytest.raises(FileError, match=rf"{stem}\.jsonl:1: no (text|list) in `\w+`; its columns are text"):
        load(tmp_path, stem, rows)


def test_ceval(tmp_path: Path) -> None:
    doc = load(tmp_path, "ceval")[53]
    assert doc == {
        "id": "advanced_mathematics/1",
        "problem": "53 加零等于____。",
        "letters": "ABCD",
        "options": ["53 and 0", "53 and 1", "53 and 2", "53 and 3"],
        "gold": "B",
        "subject": "advanced_mathematics",
        "subject_zh": "高等数学",
    }


def test_supergpqa_has_as_many_letters_as_options(tmp_path: Path) -> None:
    data = load(tmp_path, "supergpqa")
    assert data[0]["letters"] == "ABC"
    assert data[9]["letters"] == "ABCDEFGHIJKL"
    assert data[7] == {
        "id": "u00007",
        "problem": "What is 7 plus nothing?",
        "letters": "ABCDEFGHIJ",
        "options": [f"7 and {step}" for step in range(10)],
        "gold": "B",
        "discipline": "Engineering",
        "difficulty": "hard",
    }


def test_mmlu_pro_leaves_out_options_that_are_none(tmp_path: Path) -> None:
    rows = choice_rows.mmlu_pro()
    rows[0] |= {"options": ["one", "N/A", "two", "N/A", "three"], "answer": "C"}
    rows[1] |= {"options": ["N/A", "one"], "answer": "A"}  # where it is the answer it stays
    data = load(tmp_path, "mmlu_pro", rows)
    assert (data[0]["options"], data[0]["letters"], data[0]["gold"]) == (["one", "two", "three"], "ABC", "B")
    assert (data[1]["options"], data[1]["gold"]) == (["N/A", "one"], "A")
    assert (data[5]["options"], data[5]["gold"]) == ([f"5 and {step}" for step in range(4)], "B")
    assert (data[5]["id"], data[5]["category"]) == ("5", "other")


def test_mmlu_redux_corrects_labels(tmp_path: Path) -> None:
    rows = choice_rows.mmlu_redux(error_type="multiple_correct_answers", correct_answer="A and D")
    rows[1] |= {"error_type": "no_correct_answer", "correct_answer": "nothing"}
    data = load(tmp_path, "mmlu_redux", rows)
    assert len(data) == 5700
    assert (data[0]["gold"], data[0]["label"], data[0]["error_type"]) == ("AD", "corrected", "multiple_correct_answers")
    assert (data[1]["options"][1], data[1]["gold"]) == ("nothing", "B")
    assert (data[2]["gold"], data[2]["label"], data[2]["subject"]) == ("C", "original", "astronomy")


def test_mmlu_redux_with_other_policies(tmp_path: Path) -> None:
    rows = choice_rows.mmlu_redux(error_type="wrong_groundtruth", correct_answer="3")
    assert load(tmp_path, "mmlu_redux", rows)[0]["gold"] == "D"
    original = load(tmp_path, "mmlu_redux", rows, label_policy="original")
    assert (len(original), original[0]["gold"], original[0]["error_type"]) == (5700, "A", "wrong_groundtruth")
    assert len(load(tmp_path, "mmlu_redux", rows, label_policy="ok_only")) == 5699
    with pytest.raises(FileError, match="one of corrected, original, ok_only"):
        load(tmp_path, "mmlu_redux", rows, label_policy="best")


def test_a_question_of_mmlu_redux_keeps_its_id_whatever_its_label(tmp_path: Path) -> None:
    mended = load(tmp_path, "mmlu_redux", choice_rows.mmlu_redux(error_type="no_correct_answer", correct_answer="x"))
    assert mended["id"] == load(tmp_path, "mmlu_redux")["id"]


def test_gpqa_is_shuffled_the_same_way_for_everybody(tmp_path: Path) -> None:
    data = load(tmp_path, "gpqa_diamond")
    rows = choice_rows.gpqa()
    for row in rows:  # another copy: other line ends, the wrong options in another order, the rows too
        row["Question"] = row["Question"].strip()
        row["Incorrect Answer 1"], row["Incorrect Answer 3"] = row["Incorrect Answer 3"], row["Incorrect Answer 1"]
    other = load(tmp_path, "gpqa_diamond", rows[::-1])
    assert list(data) == list(other)[::-1]
    for number, doc in enumerate(data):
        assert doc["options"][doc["letters"].index(doc["gold"])] == str(number)
        assert sorted(doc["options"]) == sorted([str(number), *(f"{number} and {step}" for step in (1, 2, 3))])
    places = Counter(data["gold"])
    assert set(places) == set("ABCD")
    assert max(places.values()) < 70  # of 198: no letter is favoured


def test_errors_quote_nothing_of_gpqa(tmp_path: Path) -> None:
    rows = choice_rows.gpqa()
    del rows[5]["Incorrect Answer 2"]
    with pytest.raises(FileError, match=r"gpqa_diamond\.jsonl:6: no text in `Incorrect Answer 2`") as caught:
        load(tmp_path, "gpqa_diamond", rows)
    assert "What is" not in str(caught.value)


def test_gpqa_from_its_csv(tmp_path: Path) -> None:
    import csv

    rows = choice_rows.gpqa()
    with (tmp_path / "gpqa_diamond.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    data = choice_loaders.gpqa(mot_data_dir=str(tmp_path))["test"]
    assert list(data) == list(load(tmp_path, "gpqa_diamond"))


@pytest.mark.parametrize(
    ("stem", "change", "message"),
    [
        ("ceval", {"answer": "E"}, "ceval.jsonl:1: the answer is 'E', but its options are A to D"),
        ("ceval", {"answer": ""}, "the answer is ''"),  # as in the test split
        ("ceval", {"subject": "alchemy"}, "`subject` is 'alchemy', none of C-Eval's 52"),
        ("mmlu_redux", {"answer": 4}, "`answer` is 4, which is none of its 4 options"),
        ("mmlu_redux", {"choices": "one"}, "no list in `choices`"),
        ("mmlu_redux", {"choices": ["one"], "answer": 0}, "1 options; a question has 2 to 26"),
        ("gpqa_diamond", {"Correct Answer": " "}, "no text in `Correct Answer`"),
    ],
)
def test_rows_that_are_no_questions(tmp_path: Path, stem: str, change: dict[str, Any], message: str) -> None:
    rows = choice_rows.ROWS[stem]()
    rows[0] |= change
    with pytest.raises(FileError, match=message):
        load(tmp_path, stem, rows)


@pytest.mark.parametrize(
    ("stem", "fraction", "count", "stratum"),
    [("ceval", 0.5, 673, "subject"), ("mmlu_redux", 0.25, 1425, "subject"), ("mmlu_pro", 0.25, 3008, "category")],
)
def test_a_share_of_every_stratum(tmp_path: Path, stem: str, fraction: float, count: int, stratum: str) -> None:
    data = load(tmp_path, stem, fraction=fraction)
    whole = LOADERS[stem](mot_data_dir=str(tmp_path))["test"]
    assert len(data) == count
    sizes, taken = Counter(whole[stratum]), Counter(data[stratum])
    assert all(abs(taken[name] - fraction * size) < 1 for name, size in sizes.items())
