"""Hidden tests are unpacked, and whatever else a row may hold is refused without being run."""

import base64
import datetime
import json
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import code_rows
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin.errors import FileError
from mot_plugin.evals.code.decode import Case, Cases, cases_of, unpack


def squeezed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


@pytest.mark.parametrize("packed", [True, False])
def test_public_and_hidden_tests_of_a_whole_program(*, packed: bool) -> None:
    cases = cases_of(code_rows.row(4, packed=packed), "here")
    assert cases.function is None
    assert cases.cases[0] == Case("2\n1 1\n", "5\n5\n")
    assert [case.given for case in cases.cases] == ["2\n1 1\n", "2\n20 20\n", "2\n300 300\n"]


def test_tests_of_a_function() -> None:
    cases = cases_of(code_rows.row(4, function=True), "here")
    assert cases == Cases("twice", (Case("1", "10"), Case("20", "48"), Case("300", "608")))


def test_fields_that_are_parsed_already() -> None:
    row = code_rows.row(4, function=True)
    row |= {name: json.loads(row[name]) for name in ("public_test_cases", "metadata")}
    assert cases_of(row, "here") == cases_of(code_rows.row(4, function=True), "here")


@given(st.text(), st.sampled_from(range(pickle.HIGHEST_PROTOCOL + 1)))
@settings(max_examples=50)
def test_any_text_in_any_protocol_comes_back(text: str, protocol: int) -> None:
    if protocol == 0 and "\r" in text:
        text = text.replace("\r", "")  # that protocol is made of lines
    assert unpack(squeezed(pickle.dumps(text, protocol)), "here") == text


def test_a_long_text_in_frames_comes_back() -> None:
    text = json.dumps([{"input": "9 " * 300_000, "output": "é"}])
    assert unpack(squeezed(pickle.dumps(text)), "here") == text


class Escape:
    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.marker,)


def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "was here"
    harmful = pickle.dumps(Escape(marker))
    with pytest.raises(
        FileError, match=r"row 3: .*instruction (STACK_GLOBAL|GLOBAL|TUPLE1|REDUCE)(.|\n)*could run code"
    ):
        unpack(squeezed(harmful), "row 3")
    assert not marker.exists()
    pickle.loads(harmful)  # what would have happened
    assert marker.exists()


@pytest.mark.parametrize(
    "value",
    [["text"], ("text",), {"a": "b"}, b"bytes", 7, 1.5, None, True, datetime.date(2024, 1, 1), frozenset(), object],
)
def test_other_things_than_a_text_are_refused(value: object) -> None:
    with pytest.raises(FileError, match=r"instruction|0 texts"):
        unpack(squeezed(pickle.dumps(value)), "here")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a pickle"),
        (b"\x80\x04N", "instruction NONE"),
        (b"\x80\x04.", "0 texts"),
        (b"\x8c\x01a\x8c\x01b.", "2 texts"),
        (b"\x8c\x05a", "not a pickle"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fa.", "not a pickle"),  # says that it has 2^63 bytes
        (b"X\x02\x00\x00\x00\xff\xff.", "not a pickle"),  # not UTF-8
        (b"\xff", "not a pickle"),
        (b"cos\nsystem\n(S'true'\ntR.", "instruction GLOBAL"),
    ],
)
def test_broken_pickles_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        unpack(squeezed(content), "here")


def test_a_bomb_is_not_unpacked() -> None:
    bomb = squeezed(b"\x00" * 50_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(FileError, match="more than 1,000,000 bytes"):
        unpack(bomb, "here", largest=1_000_000)


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_row_that_was_cut_off(cut: int) -> None:
    packed = zlib.compress(pickle.dumps("some text that is long enough"))
    with pytest.raises(FileError, match="cut off"):
        unpack(base64.b64encode(packed[:-cut]).decode(), "here")


@pytest.mark.parametrize("packed", ["not base64 at all!", "", "{}", "aGVsbG8="])
def test_what_is_neither_json_nor_packed(packed: str) -> None:
    with pytest.raises(FileError, match=r"neither JSON nor base64|cut off"):
        cases_of({**code_rows.row(1), "private_test_cases": packed}, "here")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"public_test_cases": None}, "no public_test_cases, only contest_date"),
        ({"public_test_cases": "[{"}, "public_test_cases is not JSON"),
        ({"public_test_cases": "[" * 100_000}, "public_test_cases is not JSON"),
        ({"public_test_cases": "{}"}, "not a list of tests"),
        ({"public_test_cases": '[{"input": "1"}]'}, "test 1 of public_test_cases has no texts"),
        ({"public_test_cases": '[{"input": "1", "output": 2}]'}, "test 1 of public_test_cases"),
        ({"public_test_cases": '["1"]'}, "test 1 of public_test_cases"),
        ({"private_test_cases": None}, "private_test_cases is not a text"),
        ({"private_test_cases": "[1,"}, "private_test_cases is not JSON"),
        ({"public_test_cases": "[]", "private_test_cases": "[]"}, "without tests"),
        ({"metadata": '{"func_name": "a; b"}'}, "not a name"),
        ({"metadata": '{"func_name": 5}'}, "not a name"),
    ],
)
def test_rows_that_are_not_problems(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FileError, match=f"^row 7: .*{message}"):
        cases_of({**code_rows.row(1), **change}, "row 7")


def test_the_digest_is_of_what_is_tested() -> None:
    packed, plain = (cases_of(code_rows.row(5, packed=packed), "here").digest for packed in (True, False))
    assert packed == plain
    assert len(packed) == 32
    others = [
        Cases("f", (Case("1", "23"),)),
        Cases("g", (Case("1", "23"),)),
        Cases(None, (Case("1", "23"),)),
        Cases("f", (Case("12", "3"),)),
        Cases("f", (Case("1", "2"), Case("", "3"))),
        Cases("f", (Case("1", "2"), Case("3", ""))),
    ]
    assert len({cases.digest for cases in others}) == len(others)
