"""Which samples are drawn, and that stopping at the first correct one keeps the distribution of the kept trace."""

import asyncio
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.corpus.choose import choose
from mot_plugin.teachers.draws import Draw, Mode, draw, prefix
from mot_plugin.teachers.traces import Prompt, Sample

ANSWERED = st.lists(st.booleans(), min_size=1, max_size=16)


def drawn(mode: Mode, correct: list[bool], known: int | None = None) -> tuple[list[Draw], bool, list[int]]:
    """The draws from samples that are correct or not, of which the first `known` may be had, and which were asked for."""
    asked: list[int] = []

    async def get(index: int) -> Draw | None:
        asked.append(index)
        if known is not None and index >= known:
            return None
        return Draw(index, "correct" if correct[index] else "wrong", correct[index], 10)

    found, complete = asyncio.run(draw(mode, len(correct), get))
    return found, complete, asked


@given(ANSWERED)
def test_until_correct_stops_at_the_first_that_can_be_kept(correct: list[bool]) -> None:
    found, complete, asked = drawn("until_correct", correct)
    first = correct.index(True) if any(correct) else len(correct) - 1
    assert complete
    assert asked == [one.index for one in found] == list(range(first + 1))


@given(ANSWERED)
def test_all_draws_all_and_its_prefix_is_what_until_correct_draws(correct: list[bool]) -> None:
    found, complete, _ = drawn("all", correct)
    assert complete
    assert [one.index for one in found] == list(range(len(correct)))
    assert prefix(found) == drawn("until_correct", correct)[0]


@given(ANSWERED, st.integers(0, 16), st.sampled_from(["until_correct", "all"]))
def test_a_prompt_is_complete_only_with_all_that_it_needs(correct: list[bool], known: int, mode: Mode) -> None:
    found, complete, _ = drawn(mode, correct, known)
    needed = len(correct) if mode == "all" else len(prefix(drawn("all", correct)[0]))
    assert complete == (known >= needed)
    assert [one.index for one in found] == list(range(min(known, needed)))


def test_samples_are_taken_by_number_and_not_by_arrival() -> None:
    """The first to arrive are the shortest, so to take them would choose short thoughts."""
    waiting = {0: 0.02, 1: 0.01, 2: 0.0}

    async def get(index: int) -> Draw | None:
        await asyncio.sleep(waiting[index])
        return Draw(index, "correct", True, index)

    for mode in ("until_correct", "all"):
        found, _ = asyncio.run(draw(mode, 3, get))
        assert found[0].index == 0


@pytest.mark.parametrize("share", [0.15, 0.5, 0.9])
def test_the_kept_trace_has_the_same_distribution_in_both_modes(share: float) -> None:
    """Simulation: a teacher whose traces have lengths, and is right more often when they are short.

    20,000 prompts each way. Kept traces are compared as wholes (which of six kinds), by a chi-square statistic with five degrees of
    freedom, whose 99.9 % point is 20.5; so are the shares of prompts with a kept trace.
    """
    rng = random.Random(7)
    kinds = [(length, share * factor) for length in (100, 1000, 8000) for factor in (1.0, 0.4)]

    def sample() -> tuple[int, bool]:
        kind = rng.randrange(len(kinds))
        return kind, rng.random() < kinds[kind][1]

    kept: dict[str, Counter[int]] = {"all": Counter(), "until_correct": Counter()}
    tokens = Counter[str]()
    prompts, n = 20_000, 16
    for number in range(prompts):
        samples = [sample() for _ in range(n)]
        verdicts = ["correct" if right else "wrong" for _, right in samples]
        prompt = Prompt(f"{number}", "?", ("1",), tuple(Sample("") for _ in samples))
        chosen = choose(prompt, verdicts, 0, "teacher")
        if chosen is not None:
            kept["all"][samples[chosen][0]] += 1
        tokens["all"] += sum(kinds[kind][0] for kind, _ in samples)
        for kind, right in (sample() for _ in range(n)):
            tokens["until_correct"] += kinds[kind][0]
            if right:
                kept["until_correct"][kind] += 1
                break
    one, other = kept["all"], kept["until_correct"]
    statistic = sum((one[k] - other[k]) ** 2 / (one[k] + other[k]) for k in range(len(kinds)) if one[k] + other[k])
    assert statistic < 20.5
    missed = abs(one.total() - other.total())
    assert missed < 4 * (2 * prompts * 0.25) ** 0.5
    assert tokens["until_correct"] < tokens["all"] * (0.7 if share < 0.5 else 0.25)


def test_taking_the_shortest_correct_one_would_be_seen() -> None:
    """The same comparison finds the bias of picking by arrival: the test above can fail."""
    rng = random.Random(7)
    shortest: Counter[int] = Counter()
    fair: Counter[int] = Counter()
    for _ in range(20_000):
        right = [kind for kind in (rng.randrange(6) for _ in range(16)) if rng.random() < 0.5]
        if right:
            shortest[min(right)] += 1
            fair[rng.choice(right)] += 1
    assert sum((fair[k] - shortest[k]) ** 2 / (fair[k] + shortest[k]) for k in range(6)) > 1000
