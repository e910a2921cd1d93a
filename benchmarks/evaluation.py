r"""Our scorers beside lm-eval's own tasks and other harnesses' published rules, on the same stored outputs.

    python benchmarks/evaluation.py [--evalscope PYTHON] [--samples samples_TASK.jsonl ...] [--examples N]

Without samples: the forms of `evaluation_forms.py`, invented, whose truth is known. With: the answers in files that lm-eval or
`mot-plugin` left for our tasks, whose truth is not. PYTHON is that of an environment with EvalScope (`pip install evalscope==1.14.1
langdetect nltk immutabledict`): its own code then judges too, else its columns are missing. Prints a table for each kind of answer,
and for each contender examples of what it and ours say differently.
"""

import argparse
import datetime
import json
import logging
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import evaluation_forms as forms
import evaluation_rules as rules
from evaluation_forms import Case

from mot_plugin.answers import as_integer
from mot_plugin.evals import logged
from mot_plugin.evals.scorers import scorer

Verdicts = Sequence[bool | None]
Contender = Callable[[Sequence[Case]], Verdicts]

OUR_SCORER = {
    "integers": "integer",
    "letters": "choice",
    "ten letters": "choice",
    "letters in Chinese": "choice",
    "instructions": "ifeval",
}
LM_EVAL = {
    "integers": ["aime24"],
    "letters": [
        "gpqa_diamond_cot_zeroshot, strict",
        "gpqa_diamond_cot_zeroshot, flexible",
        "mmlu_redux_generative",
        "mmlu_pro",
    ],
    "ten letters": ["mmlu_pro"],
    "letters in Chinese": [],  # ceval-valid compares likelihoods: it reads no text
    "instructions": ["ifeval"],
}
RULES: dict[str, dict[str, Callable[[Case], bool]]] = {
    "integers": {
        "math_verify, whole text": rules.math_verify_raw,
        "math_verify, after the thought": rules.math_verify_answer,
    },
    "letters": {"simple-evals' rule": rules.simple_evals, "MMLU-Pro's rule": rules.mmlu_pro},
    "ten letters": {"MMLU-Pro's rule": rules.mmlu_pro},
}
EVALSCOPE = {
    "integers": ["aime24"],
    "letters": ["gpqa_diamond", "super_gpqa"],
    "ten letters": ["mmlu_pro", "super_gpqa"],
    "letters in Chinese": ["ceval"],
    "instructions": ["ifeval"],
}


def main() -> None:
    """Judge and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--evalscope", metavar="PYTHON")
    parser.add_argument("--samples", nargs="+", type=Path, default=[])
    parser.add_argument("--examples", type=int, default=2)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    found = [case for file in asked.samples for case in stored(file)] if asked.samples else list(forms.cases())
    tools = f"lm-eval {version('lm_eval')}, math-verify {version('math-verify')}"
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {tools}"
    )
    for kind in dict.fromkeys(case.kind for case in found):
        cases = [case for case in found if case.kind == kind]
        judged = {name: judge(cases) for name, judge in contenders(kind, asked.evalscope)}
        print(f"\n## {kind}: {len(cases)} texts, {len({case.form for case in cases})} forms\n\n{table(cases, judged)}")
        print("\n".join(disagreements(cases, judged, asked.examples)))


def contenders(kind: str, evalscope: str | None) -> Iterator[tuple[str, Contender]]:
    """Who judges this kind of answer, ours first."""
    yield "ours", lambda cases: ours(OUR_SCORER[kind], cases)
    for name in LM_EVAL[kind]:
        yield f"lm-eval {name}", lambda cases, name=name: lm_evals(name, cases, None)
        yield f"lm-eval {name}, think_end_token", lambda cases, name=name: lm_evals(name, cases, "</think>")
    for name, rule in RULES.get(kind, {}).items():
        yield name, lambda cases, rule=rule: [rule(case) for case in cases]
    for name in EVALSCOPE[kind] if evalscope else []:
        yield f"EvalScope {name}", lambda cases, name=name: evalscopes(evalscope, name, cases)


def ours(name: str, cases: Sequence[Case]) -> Verdicts:
    """The scorer that our tasks name."""
    own = scorer("", {"metadata": {"scorer": name}})
    return [bool(own.hits(case.doc, [case.text])[0]) for case in cases]


def lm_evals(name: str, cases: Sequence[Case], think_end: str | None) -> Verdicts:
    """lm-eval's own task, its progress bars and its log left out."""
    import evaluation_lm_eval

    return evaluation_lm_eval.judge(name, cases, think_end)


def evalscopes(python: str | None, name: str, cases: Sequence[Case]) -> Verdicts:
    """EvalScope's own code, in its own environment."""
    given = "".join(json.dumps(asked(name, case)) + "\n" for case in cases)
    program = [str(python), str(Path(__file__).with_name("evaluation_evalscope.py"))]
    ended = subprocess.run(program, input=given, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SystemExit(f"EvalScope failed:\n{ended.stderr[-2000:]}")
    return [json.loads(line) for line in ended.stdout.split("\n")[:-1]]


def asked(name: str, case: Case) -> dict[str, Any]:
    """A case for evaluation_evalscope.py."""
    choices = case.doc.get("options", [])
    target = str(case.doc["gold"][0]) if choices else str(case.doc.get("answer", ""))
    metadata = dict(case.doc) if name == "ifeval" else {}
    return {"benchmark": name, "text": case.text, "target": target, "choices": choices, "metadata": metadata}


def stored(file: Path) -> Iterator[Case]:
    """Every answer in a file of samples. SystemExit for rows with another kind of answer than integers, letters, instructions."""
    for row in logged.rows(file):
        doc = row["doc"]
        letters = {4: "letters", 10: "ten letters"}.get(len(doc.get("letters", "")))
        kind = letters or ("instructions" if "instruction_id_list" in doc else "integers")
        if kind == "integers" and as_integer(str(doc.get("answer", ""))) is None:
            raise SystemExit(
                f"{file}: problem {row['doc_id']} has no integer, no 4 or 10 letters, no instructions to compare"
            )
        yield from (Case(kind, file.stem, text, doc) for text in row["resps"][0])


def table(cases: Sequence[Case], judged: dict[str, Verdicts]) -> str:
    """A row for each contender: its score, and where the truth is known how often it is missed, either way."""
    known = all(case.truth is not None for case in cases)
    lines = [
        "| | score | "
        + ("misses of the truth | right called wrong | wrong called right |" if known else "unlike ours |")
    ]
    lines.append("| --- | ---: |" + " ---: |" * (3 if known else 1))
    if known:
        lines.append(f"| the truth | {share(case.truth for case in cases)} | 0 | 0 | 0 |")
    for name, verdicts in judged.items():
        score = share(bool(verdict) for verdict in verdicts)
        if known:
            wrong = Counter(case.truth for case, said in zip(cases, verdicts, strict=True) if bool(said) != case.truth)
            cells = f"{wrong.total()} | {wrong[True]} | {wrong[False]}"
        else:
            cells = str(sum(bool(a) != bool(b) for a, b in zip(judged["ours"], verdicts, strict=True)))
        lines.append(f"| {name} | {score} | {cells} |")
    return "\n".join(lines)


def share(values: Any) -> str:
    """In per cent."""
    every = list(values)
    return f"{100 * sum(every) / len(every):.2f}"


def disagreements(cases: Sequence[Case], judged: dict[str, Verdicts], most: int) -> Iterator[str]:
    """For each contender up to `most` texts on either side of a disagreement with ours; and all that ours misses."""
    for name, verdicts in judged.items():
        for said in (True, False):
            both = zip(cases, judged["ours"], verdicts, strict=True)
            found = [case for case, own, other in both if bool(own) != bool(other) and bool(other) is said]
            for case in list({case.form if case.truth is not None else case.text: case for case in found}.values())[
                :most
            ]:
                yield shown(case, f"{name} says {word(said)}, ours {word(not said)} ({len(found)} texts)", said=said)
    missed = {
        case.form: case for case, own in zip(cases, judged["ours"], strict=True) if case.truth not in (None, bool(own))
    }
    for case in missed.values():
        yield shown(case, f"ours says {word(not case.truth)}", said=not case.truth)


def shown(case: Case, head: str, *, said: bool) -> str:
    """One example, and who is right where that is known."""
    verdict = (
        "" if case.truth is None else f"; it is {word(case.truth)}" + (": they are right" if case.truth is said else "")
    )
    reference = case.doc.get("gold") or case.doc.get("answer") or case.doc.get("instruction_id_list")
    return f"\n{head}{verdict}\n  reference {reference}, form {case.form}\n  {json.dumps(case.text[-160:], ensure_ascii=False)}"


def word(verdict: object) -> str:
    return "right" if verdict else "wrong"


if __name__ == "__main__":
    main()
