"""What to say when no trace of a teacher can be trained on: what was wrong with them, and what to do about it."""

from collections import Counter

_REMEDY = {
    "truncated": "the answers ran into their token limit: sample them with a larger max_tokens",
    "not_stopped": 'the finish_reason of a finished answer is "stop": see what your server wrote instead',
    "unfinished": "no answer has a </think>: was the reasoning stored elsewhere, or thinking switched off?",
    "no_answer": r"nothing is in \boxed{}: the teacher's prompt should ask for it",
    "wrong": "the references may be of other problems",
    "special_token": "chat tokens are in the answers: sample with skip_special_tokens",
    "unverifiable": "the references are null, or prose and not answers; set verify: none to train on unverified traces",
    "verifier_timeout": "the answers or references take math_verify too long: look at them",
    "verifier_failed": "the processes that compare answers died: too little memory?",
}


def nothing_kept(traces: str, max_tokens: int, prompts: int, dropped: Counter[str], verdicts: Counter[str]) -> str:
    """The message: counts of prompts and samples, and a remedy for what was most often wrong."""
    lines = [
        f"{traces}: none of {prompts} prompts has a sample to train on",
        f"  prompts  {_listed(dropped)}",
        f"  samples  {_listed(verdicts) or 'none'}",
    ]
    if dropped["too_long"]:
        lines.append(f"  too long: a row may have {max_tokens} tokens (sft.cutoff_len); raise it")
    named = [verdict for verdict, _ in verdicts.most_common() if verdict in _REMEDY]
    causes = named[:1] if dropped["no_correct_sample"] else []
    if dropped["unverifiable"] and "unverifiable" not in causes:
        causes.append("unverifiable")
    lines += [f"  {verdict}: {_REMEDY[verdict]}" for verdict in causes]
    return "\n".join(lines)


def _listed(counts: Counter[str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count}" for name, count in ordered)
