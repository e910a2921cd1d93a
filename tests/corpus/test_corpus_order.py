"""Step `order`: the rows of a training, one after the other."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mot_plugin.corpus.order import Config, row_stream, run
from mot_plugin.errors import CheckFailed, MissingInput

SEEDS, STREAMS = st.integers(0, 2**32), st.sampled_from(["qwq", "r1", "union"])


def corpus(folder: Path, rows: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.jsonl").write_bytes(b"".join(b'{"row": "%d\xe2\x80\xa8"}\n' % row for row in range(rows)))
    return folder


def laid_out(folder: Path, out: str, **fields: object) -> bytes:
    given = {"corpus": str(folder), "dataset": "d", "seed": 0, "stream": "qwq", "out": str(folder / out)}
    run(Config.model_validate(given | fields))
    return (folder / out / "train.jsonl").read_bytes()


@given(st.integers(1, 40), SEEDS, STREAMS, st.integers(1, 4))
def test_every_pass_has_every_row_once(n_rows: int, seed: int, stream: str, passes: int) -> None:
    rows = list(islice(row_stream(n_rows, seed, stream), n_rows * passes))
    for epoch in range(passes):
        assert sorted(rows[epoch * n_rows : (epoch + 1) * n_rows]) == list(range(n_rows))


def test_passes_seeds_and_streams_have_orders_of_their_own() -> None:
    rows = list(islice(row_stream(50, 0, "qwq"), 100))
    others = [list(islice(row_stream(50, *key), 50)) for key in ((1, "qwq"), (0, "r1"))]
    orders = [rows[:50], rows[50:], *others, list(range(50))]
    assert len({tuple(order) for order in orders}) == 5


def test_the_stream_is_the_same_everywhere() -> None:
    """Golden: a rerun elsewhere, or by another Python, trains on the same batches."""
    assert list(islice(row_stream(5, 0, "qwq"), 10)) == [1, 3, 4, 2, 0, 2, 1, 0, 4, 3]


def test_no_row_has_no_stream() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        next(row_stream(0, 0, "qwq"))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), SEEDS, STREAMS, st.integers(1, 5), st.integers(1, 10))
def test_the_rounds_of_mot_together_are_the_run_of_std(
    n_rows: int, seed: int, stream: str, rounds: int, per_round: int
) -> None:
    with TemporaryDirectory() as name:
        folder = corpus(Path(name), n_rows)
        key = {"seed": seed, "stream": stream}
        parts = [laid_out(folder, f"r{k}", first_row=k * per_round, rows=per_round, **key) for k in range(rounds)]
        whole = laid_out(folder, "std", rows=rounds * per_round, **key)
    assert b"".join(parts) == whole
    assert whole.count(b"\n") == rounds * per_round
    seen = Counter(whole.split(b"\n")[:-1])
    assert max(seen.values()) - min(seen.values() if len(seen) == n_rows else [0]) <= 1


def test_null_rows_are_the_corpus_as_it_is(tmp_path: Path) -> None:
    folder = corpus(tmp_path, 7)
    assert laid_out(folder, "out", rows=None) == (folder / "corpus.jsonl").read_bytes()


def test_llama_factory_finds_the_rows(tmp_path: Path) -> None:
    laid_out(corpus(tmp_path, 3), "out", dataset="qwq", rows=6)
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    assert (list(info), info["qwq"]["file_name"]) == (["qwq"], "train.jsonl")


def test_a_missing_or_empty_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"corpus\.jsonl: no such file"):
        laid_out(tmp_path, "out", rows=1)
    with pytest.raises(CheckFailed, match=r"corpus\.jsonl has no rows"):
        laid_out(corpus(tmp_path, 0), "out", rows=1)


@pytest.mark.parametrize("fields", [{"rows": 0}, {"first_row": -1, "rows": 1}, {"first_row": 3, "rows": None}])
def test_wrong_configs_are_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        laid_out(tmp_path, "out", **fields)
