"""When a program's answer is right: the examples that LiveCodeBench's two rules turn on."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.evals.code.compare import same_output, same_value

SAME = [
    ("7", "7"),
    ("7\n", "7"),
    ("\n\n  7  \n\n", "7\n"),
    ("1 2 3", "1 2 3 "),
    ("  a b\n c\t", "a b\nc"),
    ("a\r\nb\r\n", "a\nb\n"),
    ("1.0", "1"),
    ("1.50 2", "1.5 2.000"),
    ("1e3", "1000"),
    ("1   2", "1 2"),  # as numbers, not as texts
    ("-0", "0"),
    ("", ""),
    ("inf", "Infinity"),
]
DIFFERENT = [
    ("7", "8"),
    ("7 8", "7"),
    ("7\n8", "7 8"),
    ("7\n\n8", "7\n8"),
    ("yes", "YES"),
    ("a  b", "a b"),
    ("0.3333", "0.33333"),
    ("50000000000000000", "50000000000000001"),  # equal as floats
    ("0.1", "0.10000000000000001"),
    ("", "0"),
    ("7", ""),
    ("nan", "NaN"),
    ("sNaN", "1"),
    ("1", "sNaN"),
    ("sNaN 1", "sNaN 1.0"),
    ("1,000", "1000"),
    ("True", "1"),
]


@pytest.mark.parametrize(("printed", "expected"), SAME)
def test_the_same_output(printed: str, expected: str) -> None:
    assert same_output(printed, expected)


@pytest.mark.parametrize(("printed", "expected"), DIFFERENT)
def test_another_output(printed: str, expected: str) -> None:
    assert not same_output(printed, expected)


@given(st.text(), st.text())
def test_nothing_breaks_it(printed: str, expected: str) -> None:
    assert same_output(printed, printed)
    assert same_output(printed, expected) == same_output(expected, printed)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("7", "7"),
        ("7.0", "7"),
        ("[1, 2]", "[1,2]"),
        ('{"b": 1, "a": 2}', '{"a": 2, "b": 1}'),
        ('"é"', '"\\u00e9"'),
        ("9" * 9000, "9" * 9000),
    ],
)
def test_the_same_value(written: str, expected: str) -> None:
    assert same_value(written, expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("7", "8"),
        ("9" * 9000, "9" * 8999 + "8"),
        ("[2, 1]", "[1, 2]"),
        ('"7"', "7"),
        ("null", "[]"),
        ("0.1", "0.10000000000001"),
        ("", ""),
        ("seven", "seven"),
        ("7", ""),
        ("[" * 100_000, "[" * 100_000),
        ("NaN", "NaN"),
    ],
)
def test_another_value(written: str, expected: str) -> None:
    assert not same_value(written, expected)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(plain)
def test_a_value_is_itself_however_it_is_written(value: object) -> None:
    assert same_value(json.dumps(value), json.dumps(value, indent=3, ensure_ascii=False))
