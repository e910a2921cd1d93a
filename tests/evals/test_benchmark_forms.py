"""Our scorers on the forms of answers that benchmarks/evaluation.py compares: what they miss is known, and nothing wrong counts."""

import sys
from pathlib import Path

import pytest

from mot_plugin.evals import choice, ifeval, integer

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import evaluation_forms as forms

MISSED = {r"\boxed{@ \text{ ways}}", r"\boxed{\frac{2 \cdot @}{2}}", "The answer is @.", "Answer: @", "**@**"} | {
    "The number of ways is $@$."
}
"""An integer in a box is what AIME's prompt asks for: a number outside of one, with a unit, or still to be worked out is none."""
KINDS = {"integers": 40, "letters": 40, "ten letters": 40, "letters in Chinese": 18, "instructions": 30}


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_is_judged_by_what_it_says(kind: str) -> None:
    cases = [case for case in forms.cases() if case.kind == kind]
    scorer = {"integers": integer, "instructions": ifeval}.get(kind, choice)
    assert len({case.form for case in cases}) >= KINDS[kind]
    wrong = [case for case in cases if bool(scorer.hits(case.doc, [case.text])[0]) is not case.truth]
    assert {case.form.removesuffix(" for @") for case in wrong} == (MISSED if kind == "integers" else set())
    assert all(case.truth for case in wrong), "whoever is missed was right"
