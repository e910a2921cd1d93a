"""What counts as a benchmark's problem, and what is only how such problems are written."""

import pytest
from source_samples import BOXED

from mot_plugin.sources.contamination import CONTAMINATED, RULES, Finding, contamination, surest

ENDING = "where $m$ and $n$ are relatively prime positive integers. Find $m+n$."
LAMPS = "A wizard lights 12 lamps in a circle and then puts out every third one until four of them are left"
BENCHMARK = [
    f"{LAMPS}. The chance that the first is still lit is $\\frac{{m}}{{n}}$, {ENDING}",
    f"Two frogs of different sizes cross a pond of area nine. The mean number of jumps equals $\\frac{{m}}{{n}}$, {ENDING}",
    "Find $2+2$.",
]

MORE = " ".join(f"Elsewhere boat {name} carries {name} crates." for name in "abcdefghijkl")


def rules(problem: str) -> dict[int, str]:
    return {finding.benchmark: finding.rule for finding in contamination([problem], BENCHMARK)}


def test_a_copy_is_found_whatever_its_spacing_case_and_instruction() -> None:
    copy = "  " + BENCHMARK[0].upper().replace(" ", "\n") + f" {BOXED}"
    assert contamination(["Other.", copy], BENCHMARK)[0] == Finding(1, 0, "exact", 1.0)
    assert rules("find  $2+2$.") == {2: "exact"}  # fewer than eight words: only a copy is found


def test_how_competitions_end_their_problems_is_no_contamination() -> None:
    innocent = f"A kite of perimeter 70 is cut at random. Its expected area will be $\\frac{{m}}{{n}}$, {ENDING}"
    assert rules(innocent) == {0: "8-gram", 1: "8-gram"}
    assert not {"8-gram", "review"} & set(CONTAMINATED)


def test_thirteen_words_are_too_many_even_of_such_an_ending() -> None:
    unlucky = f"A kite of perimeter 70 is cut at random. The expected area is $\\frac{{m}}{{n}}$, {ENDING}"
    assert rules(unlucky) == {0: "13-gram", 1: "8-gram"}


def test_half_of_a_problem_is_contamination() -> None:
    half = f"Somewhere else: {LAMPS}. Which ones?"
    assert rules(half) == {0: "13-gram"}
    more = BENCHMARK[0].replace("chance", "probability")  # eight runs of eight words go with one word
    assert rules(f"{MORE} {more} {MORE}")[0] == "coverage"


def test_another_typesetting_is_found_by_its_letters() -> None:
    typeset = "; ".join(BENCHMARK[0].replace("$m+n$", "$$ m + n $$").split())
    assert contamination([typeset], BENCHMARK) == [Finding(0, 0, "letters", 1.0)]
    edited = typeset.replace("wizard", "witch").replace("12", "15").replace("third", "second")
    found = contamination([edited], BENCHMARK)
    assert [one.rule for one in found] == ["letters"]
    assert 0.91 <= found[0].share < 1
    edited = edited.replace("circle", "square of nine fields").replace("lights", "sees")
    assert 0.85 <= contamination([edited], BENCHMARK)[0].share < 0.9
    assert not contamination([edited + " And now something else: how many were there before?"], BENCHMARK)


def test_few_letters_are_no_sign() -> None:
    assert not contamination(["Find the sum of all digits of 1235?"], ["Find the sum of all digits of 1234."])


def test_a_third_of_a_problem_is_for_a_person_to_look_at() -> None:
    words = BENCHMARK[0].split()
    several = " then ".join(" ".join(words[start : start + 11]) for start in (0, 12, 24))
    found = contamination([several], BENCHMARK)
    assert [one.rule for one in found] == ["review"]
    assert 0.3 <= found[0].share < 0.5


def test_coverage_is_the_share_of_the_benchmarks_runs() -> None:
    words = [f"w{number}" for number in range(20)]  # 13 runs of eight words
    nine = " ".join(words[:9])
    assert contamination([f"x {nine} y"], [" ".join(words)]) == [Finding(0, 0, "8-gram", round(2 / 13, 4))]
    assert contamination([" ".join(words[:13])], [" ".join(words)]) == [Finding(0, 0, "13-gram", round(6 / 13, 4))]
    assert contamination([" ".join(words[:14])], [" ".join(words)]) == [Finding(0, 0, "coverage", round(7 / 13, 4))]


def test_seven_words_in_a_row_are_nothing() -> None:
    words = [f"w{number}" for number in range(20)]
    assert not contamination([" ".join([*words[:7], "x", *words[8:15]])], [" ".join(words)])


def test_punctuation_parts_runs() -> None:
    words = [f"w{number}" for number in range(20)]
    assert contamination([" ".join(words[:13])], [" ".join(words)])[0].rule == "13-gram"
    commas = [word + "," * (number % 6 == 5) for number, word in enumerate(words)]
    assert not contamination([" ".join(commas[:13])], [" ".join(words)])


def test_the_surest_finding_of_a_problem_counts() -> None:
    found = contamination([BENCHMARK[1], "Nothing."], BENCHMARK)
    assert {one.rule for one in found} == {"exact", "8-gram"}
    assert surest(found) == {0: Finding(0, 1, "exact", 1.0)}
    assert not surest([])
    weak = [Finding(0, 0, "8-gram", 0.2), Finding(0, 1, "8-gram", 0.25), Finding(0, 2, "8-gram", 0.25)]
    assert surest(weak) == {0: weak[1]}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_can_be_reached(rule: str) -> None:
    made = {
        "exact": BENCHMARK[2],
        "letters": BENCHMARK[0].replace("chance", "probability"),
        "coverage": f"{MORE} {LAMPS}. The chance that the first is still lit is? {MORE}",
        "13-gram": f"Somewhere else: {LAMPS}. Which ones?",
        "review": " then ".join(" ".join(BENCHMARK[0].split()[start : start + 11]) for start in (0, 12, 24)),
        "8-gram": f"It is, {ENDING}",
    }
    assert rule in rules(made[rule]).values()
