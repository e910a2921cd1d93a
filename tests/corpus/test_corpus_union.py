"""Step `union`: the corpora of all teachers as one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus_samples import completion, contents, line, read_jsonl
from pydantic import ValidationError

from mot_plugin.corpus import build, union
from mot_plugin.errors import FileError, MissingInput

Make = Callable[..., build.Config]


@pytest.fixture
def corpora(corpus_config: Make) -> dict[str, str]:
    """Two teachers; r1 fails at problem b, and qwq at c."""
    right, wrong = completion(25), completion(24)
    rows = {
        "r1": [line("c", right, right), line("a", right, wrong), line("b", wrong)],
        "qwq": [line("a", right), line("b", right), line("c", completion(25, reason="length"), wrong)],
    }
    configs = {teacher: corpus_config(found, teacher, teacher=teacher) for teacher, found in rows.items()}
    for config in configs.values():
        build.run(config)
    return {teacher: config.out for teacher, config in configs.items()}


def summary_of(folder: str) -> dict[str, Any]:
    return json.loads((Path(folder) / "summary.json").read_text())


def test_rows_by_prompt_and_teacher_and_counts_summed(corpora: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "union"
    union.run(union.Config(corpora=corpora, source_name="toy-3", name="union", out=str(out)))

    origins = read_jsonl(out / "provenance.jsonl")
    assert [(origin["id"], origin["teacher"]) for origin in origins] == [
        ("a", "qwq"),
        ("a", "r1"),
        ("b", "qwq"),
        ("c", "r1"),
    ]
    parts = [read_jsonl(Path(folder) / "corpus.jsonl") for folder in corpora.values()]
    key = json.dumps
    assert sorted(read_jsonl(out / "corpus.jsonl"), key=key) == sorted([row for part in parts for row in part], key=key)

    summary = summary_of(str(out))
    each = [summary_of(folder) for folder in corpora.values()]
    assert (summary["name"], summary["source"], summary["teacher"]) == ("TOY-3-MTD", "toy-3", "ALL TEACHERS")
    assert (summary["prompts"], summary["samples"], summary["kept"]) == (6, 9, 4)
    assert summary["dropped"] == {"no_correct_sample": 2}
    assert summary["verdicts"] == {"correct": 5, "truncated": 1, "wrong": 3}
    assert summary["tokens"]["total"] == sum(one["tokens"]["total"] for one in each)
    assert summary["tokens"]["max"] == max(one["tokens"]["max"] for one in each)
    assert summary["per_teacher"] == {teacher: summary_of(corpora[teacher]) for teacher in ("qwq", "r1")}
    assert list(json.loads((out / "dataset_info.json").read_text())) == ["union"]


def test_the_order_of_teachers_changes_nothing(corpora: dict[str, str], tmp_path: Path) -> None:
    for name, given in (("one", corpora), ("two", dict(reversed(corpora.items())))):
        union.run(union.Config(corpora=given, source_name="toy-3", out=str(tmp_path / name)))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_union_of_one_has_its_rows(corpora: dict[str, str], tmp_path: Path) -> None:
    union.run(union.Config(corpora={"r1": corpora["r1"]}, source_name="toy-3", out=str(tmp_path / "union")))
    rows = "corpus.jsonl"
    assert (tmp_path / "union" / rows).read_bytes() == (Path(corpora["r1"]) / rows).read_bytes()


def test_what_is_not_that_corpus_is_refused(corpora: dict[str, str], tmp_path: Path) -> None:
    def run(given: dict[str, str]) -> None:
        union.run(union.Config(corpora=given, source_name="toy-3", out=str(tmp_path / "union")))

    with pytest.raises(ValidationError):
        run({})
    with pytest.raises(FileError, match=r"corpora\.qwq: .* is the corpus of r1"):
        run({"qwq": corpora["r1"]})
    with pytest.raises(MissingInput, match=r"corpus\.jsonl: no such file"):
        run({"r1": str(tmp_path)})
    rows = Path(corpora["r1"]) / "corpus.jsonl"
    good = rows.read_bytes()
    rows.write_bytes(good.replace(b"two numbers", b"six numbers", 1))
    with pytest.raises(FileError, match=r"corpus\.jsonl:1 is not the text that provenance\.jsonl speaks of"):
        run(corpora)
    rows.write_bytes(good.split(b"\n")[0] + b"\n")
    with pytest.raises(FileError, match="is not a corpus that this program wrote"):
        run(corpora)
