"""What verdicts and drops are called before people: the stage where a sample falls, its mark in a list, one sentence."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from mot_plugin.teachers.verdicts import ACCEPTABLE

STAGES = ("returned", "stopped", "well-formed", "correct")
"""What a sample must get through, in the order in which it is asked; a verdict names the one where it falls."""
KEPT, MALFORMED = "✓", "!"


@dataclass(frozen=True)
class Reason:
    """Why a sample is not trained on. `stage` is one of STAGES, "" for a sample that gets through all of them."""

    stage: str
    mark: str
    sentence: str


_SAMPLES = {
    "correct": Reason("", "+", "Its answer is the reference."),
    "unverified": Reason("", "~", "It is well-formed; nobody compared its answer (verify: none)."),
    "wrong": Reason("correct", "x", "Its boxed answer is not the reference."),
    "no_answer": Reason("correct", "□", r"Nothing is in \boxed{} after the thought."),
    "unverifiable": Reason("correct", "?", "There is no reference, or none that an answer can be compared with."),
    "verifier_timeout": Reason("correct", "?", "Comparing its answer with the reference took too long."),
    "verifier_failed": Reason("correct", "?", "The process that compared its answer died, or ran out of memory."),
    "truncated": Reason("stopped", "…", "It was cut off: its token limit came before its end."),
    "not_stopped": Reason("stopped", "…", "It ended by something else than a stop of its own."),
    "unfinished": Reason("well-formed", MALFORMED, "It has no thought that ends: no </think> is there."),
    "nested_tags": Reason("well-formed", MALFORMED, "A think tag stands inside its thought or its answer."),
    "special_token": Reason("well-formed", MALFORMED, "It holds a chat token, which would be learned as a real one."),
    "empty_reasoning": Reason("well-formed", MALFORMED, "Its thought is empty."),
    "empty_answer": Reason("well-formed", MALFORMED, "Nothing follows its thought."),
    "refusal": Reason("well-formed", MALFORMED, "The model refused to answer."),
    "summary": Reason("well-formed", MALFORMED, "The thought is a summary of itself, or encrypted."),
    "not_text": Reason("well-formed", MALFORMED, "It has parts that are no text."),
    "no_answer_from_server": Reason("returned", "-", "The request failed: no answer came."),
}
_PROMPTS = {
    "no_trace": "the teacher was not asked, or nothing of what it said was recorded",
    "no_correct_sample": "none of its samples may be trained on",
    "unverifiable": "no sample can be called right: its reference is missing, or no answer can be compared with it",
    "too_long": "every right sample makes a longer row than the limit allows",
}


def of_sample(verdict: str) -> Reason:
    """What a verdict means; one that we did not give is a word of the trace file (`unusable`)."""
    return _SAMPLES.get(verdict) or Reason("well-formed", MALFORMED, "Its trace file calls it unusable, by this word.")


def of_prompt(dropped: str) -> str:
    """Why a prompt has no row, as half a sentence."""
    return _PROMPTS.get(dropped, dropped)


def through(verdicts: Mapping[str, int]) -> dict[str, int]:
    """How many samples were asked for (`asked`), and how many got through each stage."""
    fell = Counter[str]()
    for verdict, count in verdicts.items():
        fell[of_sample(verdict).stage] += count
    now = fell.total()
    left = {"asked": now}
    for stage in STAGES:
        now -= fell[stage]
        left[stage] = now
    return left


def rejected(verdicts: Mapping[str, int]) -> str:
    """The verdicts of samples that may not be trained on, the commonest first: "no_answer 75, wrong 29"."""
    return counted({verdict: count for verdict, count in verdicts.items() if verdict not in ACCEPTABLE})


def counted(counts: Mapping[str, int]) -> str:
    """The commonest first."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])))
