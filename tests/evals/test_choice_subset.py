"""Parts of a benchmark: everyone's the same, and every stratum with its share."""

import random
from collections import Counter

import choice_rows
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.errors import FileError
from mot_plugin.evals.subset import stratified

docs_of = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=80).map(
    lambda strata: [{"id": f"{number}", "one": one, "two": two} for number, (one, two) in enumerate(strata)]
)
fractions = st.integers(1, 100).map(lambda percent: percent / 100)


@given(docs=docs_of, fraction=fractions)
def test_every_stratum_has_its_share(docs: list[dict[str, str]], fraction: float) -> None:
    part = stratified(docs, fraction, ["one", "two"])
    assert abs(len(part) - fraction * len(docs)) <= 0.5
    sizes, taken = (Counter((doc["one"], doc["two"]) for doc in these) for these in (docs, part))
    assert all(abs(taken[stratum] - fraction * size) < 1 for stratum, size in sizes.items())


@given(docs=docs_of, fraction=fractions, seed=st.integers())
def test_the_order_of_the_rows_does_not_matter(docs: list[dict[str, str]], fraction: float, seed: int) -> None:
    shuffled = random.Random(seed).sample(docs, len(docs))
    part, other = (stratified(these, fraction, ["one", "two"]) for these in (docs, shuffled))
    assert {doc["id"] for doc in part} == {doc["id"] for doc in other}
    assert part == [doc for doc in docs if doc in part]  # in the order given


def test_a_tenth_of_supergpqas_rows_is_2653() -> None:
    docs = [{**row, "id": row["uuid"]} for row in choice_rows.supergpqa()]
    part = stratified(docs, 0.1, ["discipline", "difficulty"])
    assert len(docs) == 26529
    assert len(part) == 2653
    assert [doc["id"] for doc in part[:4]] == ["u00011", "u00013", "u00018", "u00021"]  # the same on every machine


def test_without_a_fraction_all_are_taken() -> None:
    docs = [{"id": "1"}, {"id": "1"}]
    assert stratified(docs, None, ["nothing"]) == docs
    assert stratified(docs, 1, []) == docs


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1])
def test_a_fraction_is_a_share(fraction: float) -> None:
    with pytest.raises(FileError, match="above 0, at most 1"):
        stratified([{"id": "1"}], fraction, [])
