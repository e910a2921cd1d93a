"""From the records of a sampling to traces: a record's text in one form, the trace file, and what all of it cost."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mot_plugin.sources.problems import Problem
from mot_plugin.teachers.asking import Line
from mot_plugin.teachers.draws import Draw, prefix
from mot_plugin.teachers.messages import Unusable, text_of
from mot_plugin.teachers.samples import Record
from mot_plugin.teachers.traces import Sample

TRACES = "traces.jsonl"
SUMMARY = "summary.json"
LOST = "no_answer_from_server"


def sample_of(record: Record) -> Sample:
    """The text of a record, however its server names the thinking; a failed request is a sample without one."""
    if record.body is None:
        return Sample("", None, LOST)
    choice = record.body["choices"][0]
    text = text_of(choice["message"])
    said = choice.get("finish_reason")
    reason = None if said is None else str(said)
    if isinstance(text, Unusable):
        return Sample("", reason, text.reason)
    return Sample(_whole_signs(text), reason)


def _whole_signs(text: str) -> str:
    """Without halves of signs: a completion that was cut within an emoji may end with one, and no file can hold it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def meta_of(record: Record, index: int) -> dict[str, Any]:
    """Where a sample comes from, for the trace file: nothing in it depends on when it was asked."""
    body = record.body or {}
    usage = body.get("usage")
    known = {name: str(body[name]) for name in ("model", "system_fingerprint") if body.get(name)}
    request = {name: value for name, value in record.request.items() if name != "messages"}
    return {
        "index": index,
        "custom_id": record.custom_id,
        **known,
        "completion_tokens": record.tokens,
        "prompt_tokens": usage.get("prompt_tokens") if isinstance(usage, dict) else None,
        "request": request,
        **({"error": record.error} if record.error else {}),
    }


def write(
    out: Path,
    teacher: str,
    prompt: str,
    line: Line,
    drawn: Sequence[tuple[Problem, list[Draw]]],
    record: Callable[[Problem, int], Record],
) -> None:
    """Write the trace file, which is one of recorded answers like any other, and the summary."""
    answered_as: set[str] = set()
    with (out / TRACES).open("w", encoding="utf-8", newline="\n") as file:
        for problem, draws in drawn:
            samples = [_sample_line(record(problem, one.index), one) for one in draws]
            answered_as.update(sample["meta"]["model"] for sample in samples if "model" in sample["meta"])
            row = {"id": problem.id, "problem": problem.problem, "reference": list(problem.references) or None}
            file.write(json.dumps(row | {"samples": samples}, ensure_ascii=False) + "\n")
    summary = _summary(teacher, line, [draws for _, draws in drawn])
    summary |= {"prompt": prompt, "answered_as": sorted(answered_as)}
    (out / SUMMARY).write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _sample_line(record: Record, one: Draw) -> dict[str, Any]:
    sample = sample_of(record)
    unusable = {"unusable": sample.unusable} if sample.unusable else {}
    meta = meta_of(record, one.index) | {"verdict": one.verdict}
    return {"text": sample.text, "finish_reason": sample.finish_reason, **unusable, "meta": meta}


def _summary(teacher: str, line: Line, drawn: list[list[Draw]]) -> dict[str, Any]:
    every = [one for draws in drawn for one in draws]
    kept = sum(any(one.accepted for one in draws) for draws in drawn)
    first = [one for draws in drawn for one in prefix(draws)]
    per_sample = _tokens(every) / max(1, sum(one.tokens is not None for one in every))
    n = line.sampling.n * len(drawn)
    return {
        "teacher": teacher,
        "model": line.model,
        "sampling": line.sampling.model_dump(),
        "seed": line.seed,
        "prompts": len(drawn),
        "kept": kept,
        "samples": len(every),
        "verdicts": dict(sorted(Counter(one.verdict for one in every).items())),
        "completion_tokens": _tokens(every),
        "samples_without_usage": sum(one.tokens is None for one in every),
        "tokens_per_kept": {
            "until_correct": _tokens(first) / kept if kept else None,
            # Without all n samples what they would have cost is an estimate: their number times the mean length of those drawn.
            "all": (_tokens(every) if len(every) == n else per_sample * n) / kept if kept else None,
            "all_is_estimated": len(every) != n,
        },
    }


def _tokens(draws: Sequence[Draw]) -> int:
    return sum(one.tokens or 0 for one in draws)
