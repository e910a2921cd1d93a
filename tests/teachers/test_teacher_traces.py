"""Reading recorded answers: what is accepted, and what a user is told about what is not."""

import json
from pathlib import Path

import pytest
from corpus_samples import completion, line, write_jsonl

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.teachers.traces import Prompt, Sample, TeacherSource, TraceFile


def read(path: Path) -> list[Prompt]:
    source: TeacherSource = TraceFile(path)
    return list(source.prompts())


def error_of(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(FileError) as caught:
        read(path)
    return str(caught.value)


def test_prompts_are_read_as_written(tmp_path: Path) -> None:
    rows = [
        line("b", {"text": "x"}, {"text": "y", "finish_reason": "length", "meta": {"seed": 1}}) | {"meta": "a note"},
        line("a", reference=None),
        line("c", reference=["1/2", "0.5"]),
    ]
    assert read(write_jsonl(tmp_path / "t.jsonl", rows)) == [
        Prompt("b", "Problem b?", ("25",), (Sample("x", None), Sample("y", "length"))),
        Prompt("a", "Problem a?", (), ()),
        Prompt("c", "Problem c?", ("1/2", "0.5"), ()),
    ]


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf"
    path = write_jsonl(tmp_path / "t.jsonl", [line("a", {"text": text}), line("b", {"text": text})])
    assert [prompt.samples[0].text for prompt in read(path)] == [text, text]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read(path)) == 2


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"no such file(?s:.)*put it there or mend the teacher's path"):
        read(tmp_path / "t.jsonl")
    with pytest.raises(MissingInput, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize("content", ["", "\n", " \r\n"])
def test_an_empty_file_is_an_error(tmp_path: Path, content: str) -> None:
    assert "t.jsonl is empty" in error_of(tmp_path / "t.jsonl", content)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": 7}, "t.jsonl:1: id: Input should be a valid string, got 7"),
        ({"id": " "}, "t.jsonl:1: id: empty"),
        ({"reference": ""}, "t.jsonl:1: reference.0: empty"),
        ({"reference": 25}, "t.jsonl:1: reference: should be a text, a list of texts or null, got 25"),
        ({"samples": [{"finish_reason": "stop"}]}, "t.jsonl:1: samples.0.text is missing"),
        (
            {"samples": [{"text": "x", "finish": "stop"}]},
            "samples.0.finish: unknown key, did you mean 'finish_reason'?",
        ),
        ({"samples": [{"text": "", "unusable": "correct"}]}, "samples.0.unusable: 'correct' is a verdict"),
        ({"refrence": "25"}, "refrence: unknown key, did you mean 'reference'?"),
        (
            {"problem": "<\uff5cUser\uff5c>What?"},
            "problem: holds <\uff5cUser\uff5c>, which a chat template writes: take it out",
        ),
        ({"problem": "What?<think>\n"}, "problem: holds <think>"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    assert said in error_of(tmp_path / "t.jsonl", json.dumps(line("a", completion(25)) | changed))


def test_what_is_no_json_is_named(tmp_path: Path) -> None:
    path, good = tmp_path / "t.jsonl", json.dumps(line("a"))
    assert "t.jsonl:2: not JSON" in error_of(path, f"{good}\n\n{good.replace('a', 'b')}\n")
    assert "t.jsonl:1: not JSON" in error_of(path, good[:-1])
    assert "t.jsonl:1: the line: " in error_of(path, "[1]")
    assert "t.jsonl:1: not JSON" in error_of(path, b'{"id": "\xff"}')
    assert "t.jsonl:1: not JSON" in error_of(path, good.replace("Problem", r"\ud800"))
    assert "t.jsonl:1: reference is missing (null where there is none)" in error_of(
        path, '{"id": "a", "problem": "b", "samples": []}'
    )


def test_all_wrong_lines_are_told_at_once_up_to_ten(tmp_path: Path) -> None:
    said = error_of(tmp_path / "t.jsonl", "".join("{\n" for _ in range(12)))
    assert said.startswith(f"{tmp_path}/t.jsonl has 12 wrong lines\n")
    assert len(said.splitlines()) == 12
    assert said.endswith("... and 2 more")


def test_an_id_given_twice_is_an_error(tmp_path: Path) -> None:
    rows = "".join(json.dumps(line(name)) + "\n" for name in "aba")
    assert "t.jsonl:3: id 'a' is on line 1 already" in error_of(tmp_path / "t.jsonl", rows)
