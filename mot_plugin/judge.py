"""Step `judge`: grade SimpleQA's answers, which lm-eval logged, by asking a judge at an OpenAI-compatible endpoint.

What is asked and read: `evals/simpleqa_verdict.py`; how, and where replies are kept: `teachers/grading.py`.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.errors import CheckFailed, FileError, StepFailed
from mot_plugin.evals import simpleqa, simpleqa_verdict, statistics
from mot_plugin.evals.simpleqa_verdict import CORRECT, NOT_ATTEMPTED, UNGRADED
from mot_plugin.sources.rows import read_rows
from mot_plugin.teachers.asking import Line, Sampling
from mot_plugin.teachers.client import Endpoint
from mot_plugin.teachers.grading import ASKED, Grading
from mot_plugin.teachers.samples import open_samples

TASK = "mot_simpleqa_judged"
"""Not the name of lm-eval's task: its score is of another kind."""


class Config(BaseModel):
    """`samples` is lm-eval's samples_mot_simpleqa*.jsonl, `grades` the folder in which replies of judges are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: str
    endpoint: Endpoint
    model: str
    """The judge. Scores of different judges do not compare."""
    grades: str
    max_tokens: int = Field(gt=0, default=8192)
    """Of one reply, the judge's thought included."""
    extra: dict[str, Any] = {}
    """Further fields of every request that shape the reply: `{chat_template_kwargs: {enable_thinking: false}}`."""
    ungraded_at_most: float = Field(ge=0, le=1, default=0.02)
    """Share of answers that may stay without a verdict: with more of them the judge, or its server, is at fault."""
    out: str
    format: int = 1


@dataclass(frozen=True)
class Asked:
    """One question with the answers that were given to it, thoughts cut away; None: the thought never ended."""

    doc_id: int
    doc_hash: str
    question: str
    reference: str
    answers: tuple[str | None, ...]

    def request(self, answer: str) -> str:
        """What the judge is asked about one of the answers."""
        return simpleqa_verdict.request(self.question, self.reference, answer)


def run(config: Config) -> None:
    """Write scores.json and verdicts.jsonl. Raises MotError; replies that were had are kept whatever happens."""
    rows = read_samples(Path(config.samples))
    judging = line(config)
    with open_samples(Path(config.grades), judging) as replies:
        grading = Grading(judging, replies, simpleqa_verdict.verdict, simpleqa_verdict.AGAIN)
        requests = (row.request(answer) for row in rows for answer in row.answers if answer)
        asyncio.run(grading.grade(requests, config.endpoint))
        judge: dict[str, Any] = {"answered_as": grading.answered_as(), "settings": judging.sampling.shape()}
    if grading.lost:
        errors = ", ".join(f"{reason} {count}" for reason, count in grading.errors.most_common())
        raise StepFailed(
            f"{grading.lost} answers could not be graded ({errors}), {len(grading.verdicts)} were\n"
            "  run again: only they are asked about again"
        )
    verdicts = [[_verdict(row, answer, grading.verdicts) for answer in row.answers] for row in rows]
    _check_graded(config, verdicts, grading.unread)
    judge |= {"model": config.model, "wording": simpleqa_verdict.WORDING}
    _write(Path(config.out), rows, verdicts, judge)


def line(config: Config) -> Line:
    """What a judge's replies depend on besides the request, and so the folder in which they are kept."""
    sampling = Sampling(
        mode="all", n=ASKED, temperature=0, top_p=1, top_k=None, max_tokens=config.max_tokens, extra=config.extra
    )
    return Line(config.model, sampling, seed=0)


def read_samples(file: Path) -> list[Asked]:
    """The questions of a samples file of mot_simpleqa, in lm-eval's order. Raises FileError unless it is one, and whole."""
    found = []
    for where, row in read_rows(file):
        if row.get("filter") != "all":
            continue
        try:
            doc, texts = row["doc"], row["resps"][0]
            answers = tuple(simpleqa.answer_of(text) for text in texts)
            found.append(Asked(row["doc_id"], row["doc_hash"], doc["question"], doc["answer"], answers))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise FileError(f"{where}: not a sample of mot_simpleqa ({error!r})") from None
    numbers, sizes = {one.doc_id for one in found}, {len(one.answers) for one in found}
    if not found or len(numbers) != len(found) or len(sizes) != 1 or 0 in sizes:
        raise FileError(
            f"{file}: {len(found)} samples (filter `all`) of {len(numbers)} questions with {sorted(sizes)} answers each\n"
            "  name the samples_mot_simpleqa*.jsonl of one evaluation"
        )
    return sorted(found, key=lambda one: one.doc_id)


def _verdict(row: Asked, answer: str | None, verdicts: Mapping[str, str | None]) -> str:
    """No judge is needed to see that nothing was answered: a thought that never ended, or nothing after it."""
    return (verdicts[row.request(answer)] or UNGRADED) if answer else NOT_ATTEMPTED


def _write(out: Path, rows: Sequence[Asked], verdicts: Sequence[Sequence[str]], judge: Mapping[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    k = len(rows[0].answers)
    hits = [[int(verdict == CORRECT) for verdict in row] for row in verdicts]
    empty = {
        "truncated": [sum(answer is None for answer in row.answers) / k for row in rows],
        "no_answer": [sum(answer == "" for answer in row.answers) / k for row in rows],
    }
    shares = {
        name: {"value": sum(values) / len(values), "stderr": statistics.stderr_of_mean(values)}
        for name, values in empty.items()
    }
    entry = {
        "score_kind": "judged",
        "judge": judge,
        "problems": len(rows),
        "repeats": k,
        "metrics": simpleqa_verdict.rates(verdicts) | shares,
        "stderr_sampling": statistics.sampling_stderr(hits),
        "hits": hits,
        "doc_ids": [row.doc_id for row in rows],
        "doc_hashes": [row.doc_hash for row in rows],
    }
    text = json.dumps({"tasks": {TASK: entry}}, indent=1, sort_keys=True, ensure_ascii=False)
    (out / "scores.json").write_text(text + "\n", encoding="utf-8")
    with (out / "verdicts.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for row, said in zip(rows, verdicts, strict=True):
            about = {"doc_id": row.doc_id, "question": row.question, "reference": row.reference}
            answers = [{"answer": a, "verdict": v} for a, v in zip(row.answers, said, strict=True)]
            file.write(json.dumps(about | {"answers": answers}, ensure_ascii=False) + "\n")


def _check_graded(config: Config, verdicts: Sequence[Sequence[str]], unread: Sequence[str]) -> None:
    said = [verdict for row in verdicts for verdict in row]
    counts = ", ".join(f"{name} {count}" for name, count in Counter(said).most_common())
    print(f"{config.model}: {counts}", flush=True)  # noqa: T201  (a step's log)
    share = said.count(UNGRADED) / len(said)
    if share > config.ungraded_at_most:
        shown = "\n".join(f"  {reply.strip()[-200:]!r}" for reply in unread[:3])
        raise CheckFailed(
            f"{config.model} gave no verdict on {share:.1%} of the answers (ungraded_at_most: {config.ungraded_at_most:.1%}); "
            f"the ends of some replies:\n{shown}\n"
            "  take another judge, or raise max_tokens if it thinks for long"
        )
