"""Small arithmetic stories and the ways of solving them: pure functions of a random generator, standard library only.

A problem has three numbers and two steps, each an addition or a subtraction; every intermediate result stays within
0..99. Two teachers write every step out, `columns` (units, then tens, with carries) and `chunks` (the tens of the second
number, then its units); the third, `shifted`, talks in another tone, works nothing out and is often wrong. The student's
schooling adds in columns and takes away in chunks, so each good teacher also asks it for the half it hardly practised.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

SUFFIX = "\nPlease reason step by step, and put your final answer within \\boxed{}."
TEACHERS = ("columns", "chunks", "shifted")
SAMPLES = 4  # recorded answers per teacher and prompt

# The schooling of the student: how often it guesses, uses the usual style for a sign, and boxes its answer.
GUESSES, HABIT, BOXES = 0.4, 0.94, 0.5

NAMES = ("Mia", "Tom", "Ana", "Leo", "Eva", "Max")
THINGS = ("apples", "coins", "books", "cards", "shells", "pens")
GAINS = ("buys", "finds", "wins", "gets")
LOSSES = ("gives away", "loses", "sells", "drops")


@dataclass(frozen=True)
class Problem:
    """What is asked, and the numbers: `first` followed by two signed changes."""

    text: str
    first: int
    changes: tuple[int, ...]

    @property
    def answer(self) -> int:
        return self.first + sum(self.changes)

    @property
    def user(self) -> str:
        """The user turn, exactly as the student reads it in training and in the test."""
        return self.text + SUFFIX


@dataclass(frozen=True)
class Trace:
    """One recorded answer; `finish` is `stop` or, where the budget ran out, `length`."""

    text: str
    finish: str = "stop"


def draw(rng: Random, steps: int = 2) -> Problem:
    """A problem with this many steps, as a story or, sometimes, as a bare expression."""
    first = total = rng.randint(11, 89)
    changes: list[int] = []
    while len(changes) < steps:
        change = rng.choice((1, -1)) * rng.randint(11, 59)
        if 0 <= total + change <= 99:
            changes.append(change)
            total += change
    return Problem(_worded(rng, first, changes), first, tuple(changes))


def distinct(rng: Random, count: int, taken: set[str], steps: int = 2) -> list[Problem]:
    """Problems that nobody asked yet; `taken` learns them."""
    found: list[Problem] = []
    while len(found) < count:
        problem = draw(rng, steps)
        if problem.text not in taken:
            taken.add(problem.text)
            found.append(problem)
    return found


def _worded(rng: Random, first: int, changes: list[int]) -> str:
    if rng.random() < 0.3:
        return f"What is {first}{''.join(f'{change:+d}' for change in changes)}?"
    acts = [f"{rng.choice(GAINS if change > 0 else LOSSES)} {abs(change)}" for change in changes]
    return f"{rng.choice(NAMES)} has {first} {rng.choice(THINGS)}, {' and '.join(acts)}. How many now?"


def columns_step(total: int, change: int) -> str:
    """47+38: the units, then the tens with what was carried or borrowed."""
    tens, units = divmod(total, 10)
    by_tens, by_units = divmod(abs(change), 10)
    if change > 0:
        carry = units + by_units > 9
        low = f"{units}+{by_units}={units + by_units}"
        high = f"{tens}+{by_tens}{'+1' * carry}={tens + by_tens + carry}"
    else:
        carry = units < by_units
        low = f"{units + 10 * carry}-{by_units}={units + 10 * carry - by_units}"
        high = f"{tens}-{by_tens}{'-1' * carry}={tens - by_tens - carry}"
    return f"{total}{change:+d} in columns: {low}, {high}, {total + change}."


def chunks_step(total: int, change: int) -> str:
    """47+38: the tens of the second number, then its units."""
    sign, size = "+" if change > 0 else "-", abs(change)
    tens, units = size // 10 * 10, size % 10
    middle = total + tens if change > 0 else total - tens
    return f"{total}{sign}{size} in chunks: {total}{sign}{tens}={middle}, {middle}{sign}{units}={total + change}."


STEPS = {"columns": columns_step, "chunks": chunks_step}


def wrong(rng: Random, value: int) -> int:
    """A slip: off by one or by ten, and still within 0..99."""
    return rng.choice([near for near in (value - 10, value - 1, value + 1, value + 10) if 0 <= near <= 99])


def worked(rng: Random, problem: Problem, styles: list[str], slip: float) -> tuple[str, int]:
    """The written steps, each in its style, and the result; a step may end in a slip, from which the next goes on."""
    total = problem.first
    lines: list[str] = []
    for change, style in zip(problem.changes, styles, strict=True):
        line, reached = STEPS[style](total, change), total + change
        if 0 <= reached <= 99 and rng.random() < slip:
            bad = wrong(rng, reached)
            line, reached = line.removesuffix(f"{reached}.") + f"{bad}.", bad
        lines.append(line)
        total = reached
    return "\n".join(lines), total


def guessed(rng: Random, problem: Problem, opening: str, slip: float) -> tuple[str, int]:
    """No steps: the numbers once more, then a result."""
    result = wrong(rng, problem.answer) if rng.random() < slip else problem.answer
    numbers = ", ".join(str(abs(number)) for number in (problem.first, *problem.changes))
    return f"{opening} {numbers}... that makes {result}.", result


def answer_text(thought: str, closing: str) -> str:
    return f"<think>\n{thought}\n</think>\n\n{closing}"


def trace(rng: Random, teacher: str, problem: Problem) -> Trace:
    """One recorded answer of a teacher."""
    if teacher == "shifted":
        thought, result = guessed(rng, problem, rng.choice(("Hmm, let me see.", "Okay, roughly:")), slip=0.45)
        text, cut = answer_text(thought, f"I would say \\boxed{{{result}}}!"), 0.12
    else:
        thought, result = worked(rng, problem, [teacher] * len(problem.changes), slip=0.08)
        text, cut = answer_text(thought, f"The answer is \\boxed{{{result}}}."), 0.05
    if rng.random() < cut:  # the budget ran out within the thought
        end = text.index("\n</think>")
        return Trace(text[: rng.randint(end // 2, end)].rstrip(), "length")
    return Trace(text)


def schooling(rng: Random, problem: Problem) -> str:
    """One answer that the student reads before it meets a teacher: a guess, or steps in the usual style of each sign."""
    if rng.random() < GUESSES:
        thought, result = guessed(rng, problem, rng.choice(("Hmm, let me see.", "Okay, roughly:", "Easy.")), slip=0.2)
    else:
        styles = ["columns" if (change > 0) == (rng.random() < HABIT) else "chunks" for change in problem.changes]
        thought, result = worked(rng, problem, styles, slip=0.03)
    shown = f"\\boxed{{{result}}}" if rng.random() < BOXES else str(result)
    return answer_text(thought, f"The answer is {shown}.")
