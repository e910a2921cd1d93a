"""Which corpus is meant, and options on their way through a command line that is split at blanks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.training import corpora
from mot_plugin.training.options import Options

pytestmark = pytest.mark.contract  # with the real torch and Trainer, which take seconds to import


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "qwq.jsonl").write_text('{"messages": []}\n', encoding="utf-8")
    (tmp_path / "dataset_info.json").write_text('{"qwq": {"file_name": "qwq.jsonl"}}', encoding="utf-8")
    return tmp_path


def test_a_name_a_folder_and_a_file_of_it_are_the_same(folder: Path) -> None:
    wanted = corpora.Corpus("qwq", str(folder))
    assert corpora.find("qwq", str(folder)) == wanted
    assert corpora.find(str(folder), "elsewhere") == wanted
    assert corpora.find(str(folder / "qwq.jsonl"), "elsewhere") == wanted


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"messages": []}, {"formatting": "sharegpt", "columns": {"messages": "messages"}}),
        ({"conversations": []}, {"formatting": "sharegpt"}),
        ({"instruction": "a", "output": "b"}, {}),
    ],
)
def test_a_bare_file_is_described(tmp_path: Path, row: dict, expected: dict) -> None:
    for file, text in ((tmp_path / "a.jsonl", json.dumps(row) + "\n"), (tmp_path / "b.json", json.dumps([row]))):
        file.write_text(text, encoding="utf-8")
        found = corpora.find(str(file), "data")
        assert (found.name, found.folder) == (file.stem, "")
        entry = json.loads(found.info or "")[file.stem]
        assert entry.pop("file_name") == str(file)
        assert {key: entry[key] for key in expected} == expected
        assert entry.keys() <= {"formatting", "columns", "tags"}


@pytest.mark.parametrize("text", ["", "not JSON", "[]", '{"text": "x"}', "7"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    for name in ("x.jsonl", "x.json"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(FileError, match="its first row is no JSON object with one of messages, conversations"):
            corpora.find(str(tmp_path / name), "data")


def test_what_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(MissingInput, match=r"probe corpus qwk: no such file, and no data set .* did you mean 'qwq'"):
        corpora.find("qwk", str(folder))
    (folder / "dataset_info.json").write_text('{"a": {}, "b": {}}', encoding="utf-8")
    with pytest.raises(FileError, match="has a, b: name one file"):
        corpora.find(str(folder), "data")
    (folder / "dataset_info.json").write_text("{", encoding="utf-8")
    with pytest.raises(FileError, match="is not JSON"):
        corpora.find("a", str(folder))


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(("a folder/with blanks", "tab\there", "ü{}[]\"'%20=\n"), 3, only=True, progress="my file"),
    ],
)
def test_options_survive_a_command_line(options: Options) -> None:
    assert options.word.split() == [options.word]
    assert Options.of(options.word) == options
    with pytest.raises(ValueError, match="are not options"):
        Options.of("learning_rate=1")


def test_nothing_that_plans_imports_torch() -> None:
    modules = "mot_plugin.cli, mot_plugin.run, mot_plugin.plan, mot_plugin.probes, mot_plugin.corpus.probe"
    code = f"import sys, {modules}; print([name for name in ('torch', 'transformers', 'llamafactory') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
