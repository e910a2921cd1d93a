"""Step `judge`: grade SimpleQA's answers, which lm-eval logged, by asking a judge at an OpenAI-compatible endpoint.

A judge is asked like a teacher (`teachers/`), at temperature 0. Its replies lie as they came in an append-only file, found
by the judge, its settings and the whole request: no answer is graded twice, whichever run or checkpoint it is from, and
verdicts are read from the replies anew each time.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.errors import CheckFailed, FileError, StepFailed
from mot_plugin.evals import simpleqa, simpleqa_verdict, statistics
from mot_plugin.evals.simpleqa_verdict import CORRECT, NOT_ATTEMPTED, UNGRADED
from mot_plugin.sources.rows import read_rows
from mot_plugin.teachers.asking import Line, Sampling, custom_id
from mot_plugin.teachers.client import Client, Endpoint, Reply
from mot_plugin.teachers.sampled import sample_of
from mot_plugin.teachers.samples import Record, Samples, open_samples

ASKED = 3
"""How often a judge is asked about one answer when its replies state no verdict."""
IN_A_ROW = 8
"""Failed requests without an answer in between, each after all its attempts, before the endpoint counts as gone."""
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
    sampling = Sampling(
        mode="all", n=ASKED, temperature=0, top_p=1, top_k=None, max_tokens=config.max_tokens, extra=config.extra
    )
    with open_samples(Path(config.grades), Line(config.model, sampling, seed=0)) as replies:
        grading = Grading(Line(config.model, sampling, seed=0), replies)
        asyncio.run(
            grading.all({row.request(answer) for row in rows for answer in row.answers if answer}, config.endpoint)
        )
        if grading.lost:
            errors = ", ".join(f"{reason} {count}" for reason, count in grading.errors.most_common())
            raise StepFailed(
                f"{grading.lost} answers could not be graded ({errors}), {len(grading.verdicts)} were\n"
                "  run again: only they are asked about again"
            )
        verdicts = [[_verdict(row, answer, grading.verdicts) for answer in row.answers] for row in rows]
        _write(Path(config.out), rows, verdicts, _judge(config.model, replies, grading))
        _check_graded(config, verdicts, grading)


def read_samples(file: Path) -> list[Asked]:
    """The questions of a samples file of mot_simpleqa, in lm-eval's order. Raises FileError unless it is one, and whole."""
    found = []
    for where, line in read_rows(file):
        if line.get("filter") != "all":
            continue
        try:
            doc, texts = line["doc"], line["resps"][0]
            answers = tuple(simpleqa.answer_of(text) for text in texts)
            found.append(Asked(line["doc_id"], line["doc_hash"], doc["question"], doc["answer"], answers))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise FileError(f"{where}: not a sample of mot_simpleqa ({error!r})") from None
    numbers, sizes = {row.doc_id for row in found}, {len(row.answers) for row in found}
    if not found or len(numbers) != len(found) or len(sizes) != 1 or 0 in sizes:
        raise FileError(
            f"{file}: {len(found)} samples (filter `all`) of {len(numbers)} questions with {sorted(sizes)} answers each\n"
            "  name the samples_mot_simpleqa*.jsonl of one evaluation"
        )
    return sorted(found, key=lambda row: row.doc_id)


@dataclass
class Grading:
    """Verdicts by request, from the replies on disk where they are there, else from the endpoint."""

    line: Line
    replies: Samples
    verdicts: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    """Last replies that state no verdict, and refusals of the server."""
    errors: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    new: int = 0
    _in_a_row: int = 0

    async def all(self, requests: Iterable[str], endpoint: Endpoint) -> None:
        """A verdict for every request, except for `lost` ones. Raises StepFailed where no request can ever succeed."""
        left = [request for request in sorted(requests) if not await self._graded(request, None)]
        if not left:
            return
        client, free = Client(endpoint), asyncio.Semaphore(endpoint.concurrency)

        async def one(request: str) -> None:
            async with free:
                await self._graded(request, client)
                if len(self.verdicts) % 500 == 0:
                    print(f"{len(self.verdicts)} answers graded", flush=True)  # noqa: T201  (a step's log)

        try:
            async with asyncio.TaskGroup() as tasks:
                for request in left:
                    tasks.create_task(one(request))
        except* StepFailed as failed:
            raise failed.exceptions[0] from None
        finally:
            await client.close()

    async def _graded(self, request: str, client: Client | None) -> bool:
        """Whether there is a verdict now; without a client only from what is on disk."""
        said = ""
        for index in range(ASKED):
            user = request + (simpleqa_verdict.AGAIN if index else "")
            record = await self._reply(user, index, client)
            if record is None:
                return False
            if record.error is not None:
                said = record.error["message"]
                break
            said = sample_of(record).text
            verdict = simpleqa_verdict.verdict(said)
            if verdict is not None:
                self.verdicts[request] = verdict
                return True
        self.verdicts[request] = UNGRADED
        self.unread.append(said)
        return True

    async def _reply(self, user: str, index: int, client: Client | None) -> Record | None:
        """The record of one request, a refusal too; None when there is none: not asked for, or lost."""
        identity = custom_id(user, index)
        if identity in self.replies:
            return self.replies.read(identity)
        if client is None:
            return None
        body = self.line.body(user, index)
        note: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds")}
        answer = await client.ask(body)
        note["attempts"] = answer.attempts
        if isinstance(answer, Reply):
            self._in_a_row, self.new = 0, self.new + 1
            record = Record(identity, body, answer.body, None, note | {"seconds": answer.seconds})
            self.replies.append(record)
            return record
        error = {"reason": answer.reason, "message": answer.message, "attempts": answer.attempts}
        record = Record(identity, body, None, error, note)
        self.replies.append(record)
        self.errors[answer.reason] += 1
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            raise StepFailed(
                f"{client.endpoint.url}: {self._in_a_row} requests in a row failed, the last one with {answer.reason} in "
                f"{answer.attempts} attempts: {answer.message}"
            )
        self.lost += not answer.refused
        return record if answer.refused else None


def _verdict(row: Asked, answer: str | None, verdicts: Mapping[str, str]) -> str:
    """No judge is needed to see that nothing was answered: a thought that never ended, or nothing after it."""
    return verdicts[row.request(answer)] if answer else NOT_ATTEMPTED


def _judge(model: str, replies: Samples, grading: Grading) -> dict[str, Any]:
    """Who graded, for the scores."""
    records = [replies.read(custom_id(request, 0)) for request in grading.verdicts if custom_id(request, 0) in replies]
    answered_as = sorted({str(record.body["model"]) for record in records if record.body and record.body.get("model")})
    return {
        "model": model,
        "answered_as": answered_as,
        "wording": simpleqa_verdict.WORDING,
        "settings": grading.line.sampling.shape(),
        "graded": len(grading.verdicts),
        "asked_now": grading.new,
    }


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


def _check_graded(config: Config, verdicts: Sequence[Sequence[str]], grading: Grading) -> None:
    said = [verdict for row in verdicts for verdict in row]
    share = said.count(UNGRADED) / len(said)
    counts = ", ".join(f"{name} {count}" for name, count in Counter(said).most_common())
    print(f"{config.model}: {counts}", flush=True)  # noqa: T201  (a step's log)
    if share > config.ungraded_at_most:
        shown = "\n".join(f"  {reply.strip()[-200:]!r}" for reply in grading.unread[:3])
        raise CheckFailed(
            f"{config.model} gave no verdict on {share:.1%} of the answers, ungraded_at_most is {config.ungraded_at_most:.1%}; "
            f"its last words:\n{shown}\n  take another judge, or raise max_tokens if it thinks for long"
        )
