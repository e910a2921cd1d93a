"""What is left out between a data set and the problems that are asked: by content alone, whatever the order of the rows."""

import random

import pytest
from source_samples import BOXED, problem

from mot_plugin.sources import stages
from mot_plugin.sources.problems import Problem, digest
from mot_plugin.sources.stages import Dropped


def made(name: str, text: str, *references: str) -> Problem:
    return Problem(name, text, references, None if references else "no_reference")


def names(problems: list[Problem]) -> list[str]:
    return [problem.id for problem in problems]


def test_one_text_twice_under_one_id_is_one_problem() -> None:
    kept, dropped = stages.identify([made("b", "Two?"), made("a", "One?"), made("a", " one? ", "1")])
    assert kept == [made("a", " one? ", "1"), made("b", "Two?")]  # what has a reference is kept
    assert dropped == [Dropped("identify", "repeated", "a", against="a")]


def test_two_texts_under_one_id_both_stay_and_are_told_apart() -> None:
    one, two = made("a", "One?", "1"), made("a", "Two?", "2")
    expected = sorted([f"a-{digest('One?')[:8]}", f"a-{digest('Two?')[:8]}"])
    for order in ([one, two], [two, one], [one, two, one]):
        kept, dropped = stages.identify(order)
        assert names(kept) == expected
        assert len(dropped) == len(order) - 2


def test_only_problems_with_references() -> None:
    kept, dropped = stages.verifiable([made("a", "One?"), made("b", "Two?", "2")])
    assert names(kept) == ["b"]
    assert dropped == [Dropped("verify", "no_reference", "a")]


def test_duplicates_and_near_duplicates() -> None:
    text = problem(7)
    longer = text.replace("How many are", "How many of them are")
    problems = [
        made("d", longer, "1"),
        made("c", f"{text.upper()}\n{BOXED}", "1"),
        made("b", text, "1"),
        made("a", text),
        made("e", problem(8), "1"),
    ]
    for _ in range(5):
        random.Random(0).shuffle(problems)
        kept, dropped = stages.deduplicate(problems)
        assert names(kept) == ["b", "e"]
        by_id = {one.id: one for one in dropped}
        assert by_id["a"] == Dropped("deduplicate", "duplicate", "a", against="b", share=1.0)
        assert by_id["c"] == Dropped("deduplicate", "duplicate", "c", against="b", share=1.0)
        near = by_id["d"]
        assert (near.reason, near.against) == ("near_duplicate", "b")
        assert near.share is not None
        assert 0.95 <= near.share < 1


def test_benchmarks_problems_are_left_out_and_reported() -> None:
    benchmark = {"aime": [("7", problem(7)), ("8", problem(8))], "other": [("x", problem(7)), ("y", "2 + 2?")]}
    problems = [made("a", problem(1), "1"), made("b", f"{problem(7).upper()} {BOXED}", "1"), made("c", "2  + 2?", "4")]
    kept, dropped, report = stages.decontaminate(problems, benchmark)
    assert names(kept) == ["a"]
    assert dropped == [
        Dropped("decontaminate", "exact", "b", against="aime:7", share=1.0),
        Dropped("decontaminate", "exact", "c", against="other:y", share=1.0),
    ]
    assert report == {
        "aime": {"problems": 2, "too_short_but_for_copies": 0, "found": {"exact": 1}, "review": []},
        "other": {"problems": 2, "too_short_but_for_copies": 1, "found": {"exact": 2}, "review": []},
    }


def test_what_should_be_looked_at_is_kept_and_listed() -> None:
    words = [f"w{number}" for number in range(20)]
    mixed = " ".join([*words[:10], "x", *words[10:19]])
    kept, dropped, report = stages.decontaminate([made("a", mixed, "1")], {"t": [("7", " ".join(words))]})
    assert (names(kept), dropped) == (["a"], [])
    assert report["t"]["found"] == {"review": 1}
    assert report["t"]["review"] == [{"id": "a", "against": "7", "share": 0.3846}]


PROBLEMS = [made(f"p{number:03}", problem(number), "1") for number in range(150)]


def test_a_drawing_is_random_and_belongs_to_its_seed() -> None:
    drawn = stages.draw(PROBLEMS, 60, 1)
    assert drawn == sorted(drawn, key=lambda one: one.id)
    assert len({one.id for one in drawn}) == 60
    assert drawn == stages.draw(reversed(PROBLEMS), 60, 1)
    assert drawn != stages.draw(PROBLEMS, 60, 2)
    halves = [sum(one.id < "p075" for one in stages.draw(PROBLEMS, 60, seed)) for seed in range(200)]
    assert sum(halves) / 200 == pytest.approx(30, abs=1)
    assert stages.draw(PROBLEMS, None, 1) == PROBLEMS


def test_a_larger_drawing_holds_the_smaller_one() -> None:
    drawn = [set(names(stages.draw(PROBLEMS, count, 5))) for count in (10, 11, 80)]
    assert drawn[0] < drawn[1] < drawn[2]


def test_a_problem_more_or_less_changes_one_drawn_problem_at_most() -> None:
    drawn = set(names(stages.draw(PROBLEMS, 60, 5)))
    changes = [len(drawn - set(names(stages.draw(PROBLEMS[:n] + PROBLEMS[n + 1 :], 60, 5)))) for n in range(150)]
    assert sorted(changes) == [0] * 90 + [1] * 60
