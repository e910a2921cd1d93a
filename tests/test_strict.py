"""YAML read strictly: its words, its lines, and broken files as messages."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin import strict
from mot_plugin.errors import FileError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("NO", "NO"),
        ("true", True),
        ("False", False),
        ("1e-5", 1e-5),
        ("1.0e-5", 1e-5),
        ("1E3", 1000.0),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("0.01", 0.01),
        ("12", 12),
        ("-3", -3),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1e-5'", "1e-5"),
        ('"true"', "true"),
        ("1e", "1e"),
        ("e5", "e5"),
        ("1.2.3", "1.2.3"),
        ("-", [None]),
        ("qwen3-8b", "qwen3-8b"),
        ("5e", "5e"),
    ],
)
def test_words_and_numbers_as_yaml_1_2_reads_them(text: str, value: Any) -> None:
    read = strict.parse(f"key:\n {text}", "file").data["key"]
    assert read == value
    assert type(read) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_prints_is_read_back(number: float) -> None:
    assert strict.parse(f"key: {number!r}", "file").data == {"key": number}


def test_keys_stay_as_they_are_written() -> None:
    text = "{no: 1, true: 2, 1e3: 3, 0x10: 4, ~: 5, 2024-01-01: 6, 'quoted': 7}"
    assert list(strict.parse(text, "file").data) == ["no", "true", "1e3", "0x10", "~", "2024-01-01", "quoted"]


def test_every_path_has_its_line() -> None:
    document = strict.parse("# a comment\n\na:\n  b: {c: 1,\n    d: 2}\n  e:\n    - 1\n    - f: 2\n", "file")
    assert document.data == {"a": {"b": {"c": 1, "d": 2}, "e": [1, {"f": 2}]}}
    assert document.lines == {
        (): 3,
        ("a",): 3,
        ("a", "b"): 4,
        ("a", "b", "c"): 4,
        ("a", "b", "d"): 5,
        ("a", "e"): 6,
        ("a", "e", 0): 7,
        ("a", "e", 1): 8,
        ("a", "e", 1, "f"): 8,
    }
    assert document.line(("a", "b", "not there", "nor this")) == 4
    assert document.line(("z",)) == 3


def test_a_key_given_twice_is_found_at_any_depth_and_kept_for_the_list() -> None:
    document = strict.parse("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n", "file")
    assert document.twice == (
        (4, ("b", "c"), "given twice, first on line 3"),
        (5, ("a",), "given twice, first on line 1"),
    )


def test_an_empty_file_is_an_empty_block() -> None:
    assert strict.parse("", "file").data == {}
    assert strict.parse("# only a comment\n", "file").data == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", "line 2, column 1: expected ',' or ']', but got '<stream end>'"),
        ("a: 'open\n", "line 2, column 1: found unexpected end of stream"),
        ("a: b: c\n", "line 1, column 5: mapping values are not allowed here"),
        ("a:\n\t- 1\n", "line 2, column 1: found character '\\t' that cannot start any token"),
        ("a: 1\n---\na: 2\n", "line 2, column 1: but found another document"),
        ("a: !secret x\n", "line 1, column 4: could not determine a constructor for the tag '!secret'"),
        ("a: &x 1\nb: *x\n", "line 2, column 4: write the value out: aliases are not read here"),
        ("a: &x [*x]\n", "line 1, column 8: write the value out: aliases are not read here"),
        ("a: 2024-13-45\n", "month must be in 1..12"),
        ("a: \a\n", "unacceptable character #x0007: special characters are not allowed"),
    ],
)
def test_broken_yaml_is_one_message(text: str, message: str) -> None:
    with pytest.raises(FileError) as raised:
        strict.parse(text, "some.yaml")
    assert str(raised.value).startswith(f"some.yaml is not valid YAML\n  {message}")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileError) as raised:
        strict.read(tmp_path / "absent.yaml")
    assert str(raised.value) == f"{tmp_path}/absent.yaml: no such file"
    with pytest.raises(FileError, match="not a text file"):
        strict.read(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="not a text file"):
        strict.read(tmp_path / "weights.bin")


@pytest.mark.parametrize(
    ("word", "said"),
    [("traes", ", did you mean 'traces'?"), ("path", ""), ("TRACE", "")],
)
def test_a_suggestion_only_where_one_is_close(word: str, said: str) -> None:
    assert strict.suggest(word, ["traces", "methods"]) == said
