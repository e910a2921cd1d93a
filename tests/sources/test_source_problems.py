"""Problems on disk."""

import json
from pathlib import Path

import pytest
from corpus_samples import read_jsonl, write_jsonl
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.sources.problems import Problem, digest, read_problems, write_problems

LINE = {"id": "a", "problem": "One?", "references": ["1"], "unverifiable": None, "meta": {}}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def problems() -> st.SearchStrategy[Problem]:
    meta = st.dictionaries(TEXT, TEXT, max_size=2)
    known = st.builds(Problem, TEXT, TEXT, st.lists(TEXT, min_size=1).map(tuple), st.none(), meta)
    return known | st.builds(Problem, TEXT, TEXT, st.just(()), TEXT, meta)


@given(st.lists(problems(), min_size=1, unique_by=lambda problem: problem.id))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, written: list[Problem]) -> None:
    path = tmp_path_factory.mktemp("problems") / "problems.jsonl"
    write_problems(path, written)
    assert read_problems(path) == written


def test_a_line_is_plain(tmp_path: Path) -> None:
    write_problems(tmp_path / "p.jsonl", [Problem("a", "One?", ("1",))])
    assert read_jsonl(tmp_path / "p.jsonl") == [LINE]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": 7}, ":1: id: Input should be a valid string, got 7"),
        ({"problem": ""}, ":1: problem: "),
        ({"references": "1"}, ":1: references: "),
        ({"references": []}, ":1: the line: Value error, needs either references or the reason"),
        ({"unverifiable": "proof"}, ":1: the line: Value error, needs either references or the reason"),
        ({"answer": "1"}, ":1: answer: Extra inputs are not permitted"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", [LINE | changed])
    with pytest.raises(FileError) as caught:
        read_problems(path)
    assert f"{path} has 1 wrong line\n" in str(caught.value)
    assert said in str(caught.value)


def test_an_id_given_twice_is_an_error(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", [LINE, LINE])
    with pytest.raises(FileError, match=r":2: id 'a' is at .*:1 already"):
        read_problems(path)


def test_all_wrong_lines_are_told_at_once_up_to_ten(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", [{"id": str(number)} for number in range(12)])
    with pytest.raises(FileError) as caught:
        read_problems(path)
    assert str(caught.value).count("\n") == 11
    assert str(caught.value).endswith("  ... and 2 more")


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "p.jsonl"):
        with pytest.raises(MissingInput, match=r"no such file; .* run the step that makes it"):
            read_problems(path)


def test_the_digest_belongs_to_the_words() -> None:
    assert digest("What\nis  IT?") == digest("what is it?") != digest("what is it ?")
    assert json.dumps(digest("x")).strip('"').isalnum()
