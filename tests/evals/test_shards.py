"""What the shards of an evaluation are, and the loader that asks some of a task's problems."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.errors import FileError
from mot_plugin.evals import documents
from mot_plugin.evals.shards import Part, parts

COUNTS = st.integers(1, 20)


@given(repeats=COUNTS, shards=COUNTS, problems=st.integers(20, 60), seed=st.integers(0, 9))
def test_every_answer_is_asked_for_once(repeats: int, shards: int, problems: int, seed: int) -> None:
    found = parts({"a": repeats}, seed=seed, shards=shards)
    asked = Counter(
        part.doc_id(number)
        for part in found
        for number in range(len(range(part.first, problems, part.every)))
        for _ in range(part.repeats)
    )
    assert asked == dict.fromkeys(range(problems), repeats)
    assert len({part.seed for part in found}) == len(found) == shards
    each = [part.repeats * len(range(part.first, problems, part.every)) for part in found]
    assert max(each) - min(each) <= (problems if repeats >= shards else repeats)
    assert sum(part.share for part in found) == pytest.approx(repeats)


@given(shards=COUNTS, seed=st.integers(0, 99), other=st.integers(0, 99))
def test_another_seed_shares_no_shard(shards: int, seed: int, other: int) -> None:
    one, two = ({part.seed for part in parts({"a": 64}, seed=base, shards=shards)} for base in (seed, other))
    assert one == two if seed == other else one.isdisjoint(two)


def test_one_shard_is_the_task_as_it_is() -> None:
    assert parts({"a": 16, "b": 1}, seed=7, shards=1) == (Part("a", 0, 1, 7, 16), Part("b", 0, 1, 7, 1))


def test_repeats_are_shared_out_and_problems_where_there_are_too_few() -> None:
    assert parts({"a": 5, "b": 1}, seed=1, shards=2) == (
        Part("a", 0, 2, 2, 3),
        Part("b", 0, 2, 2, 1, first=0, every=2),
        Part("a", 1, 2, 3, 2),
        Part("b", 1, 2, 3, 1, first=1, every=2),
    )


def test_a_look_at_few_problems_does_not_share_them_out() -> None:
    found = parts({"a": 2, "b": 1, "c": 1, "d": 1, "e": 1}, seed=1, shards=2, limit=4)
    assert [part.repeats for part in found if part.task == "a"] == [1, 1]
    single = [part for part in found if part.task != "a"]
    assert sorted(part.task for part in single) == ["b", "c", "d", "e"]
    assert {(part.first, part.every) for part in found} == {(0, 1)}
    assert {part.shard for part in single} == {0, 1}, "names decide, and these names differ"
    alone = parts({"c": 1}, seed=1, shards=2, limit=4)
    assert alone == tuple(part for part in single if part.task == "c"), "whatever the other tasks are"


class Rows(list[Any]):
    """What `select` of datasets.Dataset does."""

    def select(self, numbers: range) -> "Rows":
        return Rows(self[number] for number in numbers)


def five(**given: Any) -> dict[str, Any]:
    return {"test": Rows("abcde"), "train": Rows("xyz"), "given": given}


@pytest.mark.parametrize(("first", "rows"), [(0, "ad"), (1, "be"), (2, "c")])
def test_some_problems_of_a_loader(first: int, rows: str) -> None:
    loaded = documents.some(
        mot_loader=f"{__name__}.five", mot_split="test", mot_first=first, mot_every=3, mot_data_dir="/sets", year=1
    )
    assert "".join(loaded["test"]) == rows
    assert "".join(loaded["train"]) == "xyz"
    assert loaded["given"] == {"mot_data_dir": "/sets", "year": 1}


def test_fewer_problems_than_shards() -> None:
    with pytest.raises(FileError, match=r"there are 5 problems.* among 6 shards: lower eval\.shards"):
        documents.some(mot_loader=f"{__name__}.five", mot_split="test", mot_first=5, mot_every=6)


@pytest.mark.parametrize("name", ["no.such.module", "beside", f"{__name__}.six"])
def test_a_loader_that_is_in_no_package(name: str) -> None:
    with pytest.raises(FileError, match="cannot be shared out among shards by problems"):
        documents.some(mot_loader=name, mot_split="test", mot_first=0, mot_every=2)
