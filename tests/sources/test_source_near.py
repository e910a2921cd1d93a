"""What counts as the same problem."""

import random
import re

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz
from source_samples import BOXED, problem

from mot_plugin.sources.near import RATIO, Near, near_duplicates, normalise


def test_normal_texts_differ_in_words_only() -> None:
    assert normalise(f"  What is\n $X$?\t{BOXED}\n") == "what is $x$?"
    assert normalise("Let's think step by step and put your final answer in $\\boxed{answer}$. Go.") == "go."
    assert normalise("What is $x$ ?") != normalise("What is $x$?")


@given(st.text(max_size=60))
def test_to_normalise_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once or "step by step" in once


def plain(texts: list[str]) -> list[Near]:
    """The same without shortcuts: every text with all that were kept."""
    kept: list[int] = []
    found = []
    for index in sorted(range(len(texts)), key=lambda index: len(texts[index])):
        scores = [(other, fuzz.ratio(texts[index], texts[other])) for other in kept]
        same = [re.findall("[0-9]+", texts[other]) == re.findall("[0-9]+", texts[index]) for other in kept]
        near = [one for one, numbers in zip(scores, same, strict=True) if one[1] >= RATIO and numbers]
        if near:
            found.append(Near(index, near[0][0], round(near[0][1], 2)))
        else:
            kept.append(index)
    return sorted(found, key=lambda near: near.dropped)


@st.composite
def families(draw: st.DrawFn) -> list[str]:
    """Texts, some of them others with up to an edit in ten."""
    alphabet = st.sampled_from("ab 1\u00e4\U0001f600")
    texts = draw(st.lists(st.text(alphabet, min_size=1, max_size=80), min_size=1, max_size=4))
    for _ in range(draw(st.integers(0, 6))):
        text = draw(st.sampled_from(texts))
        for _ in range(draw(st.integers(0, max(1, len(text) // 10)))):
            place = draw(st.integers(0, len(text)))
            text = text[:place] + draw(st.text(alphabet, max_size=2)) + text[place + draw(st.integers(0, 2)) :]
        texts.append(text)
    return texts


@given(families())
def test_shortcuts_change_nothing(texts: list[str]) -> None:
    assert near_duplicates(texts) == plain(texts)


def test_shortcuts_change_nothing_on_long_texts() -> None:
    draw = random.Random(3)
    texts = ["".join(draw.choices("etaoin shrdlu 0123456789$", k=draw.randint(100, 1200))) for _ in range(40)]
    for text in texts[:20]:
        edited = list(text)
        for _ in range(len(text) // draw.choice((15, 40, 80))):
            edited[draw.choice([place for place, letter in enumerate(edited) if not letter.isdigit()])] = draw.choice(
                "xyz"
            )
        texts.append("".join(edited))
    found = near_duplicates(texts)
    assert found == plain(texts)
    assert 5 < len(found) < 20


def test_other_numbers_are_another_problem() -> None:
    sums = [f"What is the sum of {n} and {m}, if both are whole numbers?" for n in (3, 13) for m in (1, 2)]
    assert near_duplicates(sums) == []
    assert [one.dropped for one in near_duplicates([*sums, sums[0].replace("whole", "whole,")])] == [4]


def test_texts_longer_than_their_counts_can_say() -> None:
    many = 2**16
    long, near, other = "a" * many, "a" * (many - 3000) + "b" * 2000, "b" * many
    assert near_duplicates([long, near, other, long + "c"]) == plain([long, near, other, long + "c"])
    assert len(near_duplicates([long, near, other, long + "c"])) == 2


def test_invented_problems_are_different() -> None:
    assert not near_duplicates([problem(number) for number in range(192)])
