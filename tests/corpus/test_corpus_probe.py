"""The rows of the probe: drawn by the seed, each once, and as they stand in the corpus."""

import json
from pathlib import Path

import pytest

from mot_plugin.corpus import probe
from mot_plugin.errors import CheckFailed, MissingInput

LINES = [f'{{"messages": [{number}]}}' for number in range(20)]


def drawn(tmp_path: Path, rows: int, seed: int = 1, out: str = "out") -> list[str]:
    (tmp_path / "corpus.jsonl").write_text("".join(line + "\n" for line in LINES), encoding="utf-8")
    config = probe.Config(corpus=str(tmp_path), dataset="qwq", seed=seed, rows=rows, out=str(tmp_path / out))
    probe.run(config)
    info = json.loads((tmp_path / out / "dataset_info.json").read_text(encoding="utf-8"))
    assert info["qwq"]["file_name"] == "probe.jsonl"
    return (tmp_path / out / "probe.jsonl").read_text(encoding="utf-8").splitlines()


def test_each_row_once_in_the_corpus_order(tmp_path: Path) -> None:
    found = drawn(tmp_path, 7)
    assert len(found) == 7
    assert found == [line for line in LINES if line in found]
    assert found != LINES[:7]
    assert found == drawn(tmp_path, 7, out="again")
    assert found != drawn(tmp_path, 7, seed=2, out="other")
    assert set(found) < set(drawn(tmp_path, 8, out="more")), "more rows are these and others"


def test_a_small_corpus_is_taken_whole(tmp_path: Path) -> None:
    assert drawn(tmp_path, 64) == LINES


def test_no_corpus_no_probe(tmp_path: Path) -> None:
    config = probe.Config(corpus=str(tmp_path), dataset="qwq", seed=1, rows=3, out=str(tmp_path / "out"))
    with pytest.raises(MissingInput, match="run the corpus step"):
        probe.run(config)
    (tmp_path / "corpus.jsonl").write_bytes(b"")
    with pytest.raises(CheckFailed, match="has no rows"):
        probe.run(config)
