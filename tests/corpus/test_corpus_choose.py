"""Which samples may be trained on, and which of them is drawn."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.corpus.choose import choose, preferences
from mot_plugin.teachers.traces import Prompt, Sample
from mot_plugin.teachers.verdicts import ACCEPTABLE


def prompt_of(*answers: str, reference: str | None = "25", name: str = "p") -> Prompt:
    samples = (Sample(f"<think>\nsome thought\n</think>\n\n{answer}", "stop") for answer in answers)
    return Prompt(name, "?", (reference,) if reference else (), tuple(samples))


VERDICTS = st.lists(st.sampled_from(["correct", "unverified", "wrong", "truncated", "no_answer"]), max_size=16)


@given(VERDICTS, st.integers(), st.text(alphabet="qwr1-", min_size=1), st.text(min_size=1))
def test_preferences_are_all_that_is_acceptable_and_nothing_else(
    verdicts: list[str], seed: int, teacher: str, name: str
) -> None:
    prompt = prompt_of(*(r"\boxed{25}" for _ in verdicts), name=name)
    order = preferences(prompt, verdicts, seed, teacher)
    assert sorted(order) == [index for index, verdict in enumerate(verdicts) if verdict in ACCEPTABLE]
    assert order == preferences(prompt, verdicts, seed, teacher)
    assert choose(prompt, verdicts, seed, teacher) == (order[0] if order else None)


def test_every_acceptable_sample_is_as_likely() -> None:
    verdicts = ("wrong", "correct", "correct", "truncated", "correct", "correct")
    drawn = Counter(choose(prompt_of(name=f"{n}"), verdicts, 0, "qwq") for n in range(4000))
    assert set(drawn) == {1, 2, 4, 5}
    assert all(900 < count < 1100 for count in drawn.values())


def test_seed_teacher_and_prompt_each_change_the_draw() -> None:
    verdicts = ("correct",) * 16
    prompts = [prompt_of(name=f"{n}") for n in range(50)]
    first = [choose(prompt, verdicts, 0, "qwq") for prompt in prompts]
    assert len(set(first)) > 8
    assert first != [choose(prompt, verdicts, 1, "qwq") for prompt in prompts]
    assert first != [choose(prompt, verdicts, 0, "r1") for prompt in prompts]


def test_draws_are_the_same_everywhere() -> None:
    """Golden: a corpus built elsewhere, or by another Python, has the same rows."""
    assert preferences(prompt_of(name="train-001"), ("correct",) * 8, 0, "qwq")[:6] == (2, 3, 5, 7, 0, 6)
