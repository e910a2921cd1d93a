r"""Rules that others publish for reading an answer, written again here: what they do, not their words.

simple-evals (github.com/openai/simple-evals, common.py and gpqa_eval.py): the first `Answer: X`, case ignored, dollars allowed.
MMLU-Pro (github.com/TIGER-AI-Lab/MMLU-Pro, compute_accuracy.py): the first `answer is (X)`, else the first line's last `nswer: X`,
else the last capital A to J anywhere; where nothing is found it guesses at random, here that is wrong.
math_verify (the package, whole text, reference in a box): what lighteval and EvalScope build on.
All read what follows the last `</think>`, which their servers part from the thought; math_verify also the raw text.
"""

import re

from evaluation_forms import Case


def after_thought(text: str) -> str:
    return text.rpartition("</think>")[2]


def simple_evals(case: Case) -> bool:
    """GPQA's and MMLU's rule in simple-evals."""
    found = re.search(r"answer[ \t]*:[ \t]*\$?([a-d])\$?", after_thought(case.text), re.IGNORECASE)
    return found is not None and found[1] == case.doc["gold"]


def mmlu_pro(case: Case) -> bool:
    """The rule of MMLU-Pro's authors, without the guess."""
    text = after_thought(case.text)
    found = re.search(r"answer is \(?([A-J])\)?", text) or re.search(r".*[aA]nswer:\s*([A-J])", text)
    letter = found[1] if found else next((sign for sign in reversed(text) if sign in "ABCDEFGHIJ"), None)
    return letter == case.doc["gold"]


def math_verify_raw(case: Case) -> bool:
    """The package on the whole text."""
    return _same(case.text, case)


def math_verify_answer(case: Case) -> bool:
    """The package on what follows the thought."""
    return _same(after_thought(case.text), case)


def _same(text: str, case: Case) -> bool:
    from math_verify import parse, verify

    return bool(verify(parse(rf"\boxed{{{case.doc['answer']}}}"), parse(text)))
