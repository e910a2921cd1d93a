"""One teacher's drawing: which samples the prompts need, from disk where they are there, else from the endpoint."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mot_plugin.errors import MotError, StepFailed
from mot_plugin.sources.problems import Problem
from mot_plugin.teachers.asking import Line, custom_id
from mot_plugin.teachers.client import Client, Endpoint, Reply
from mot_plugin.teachers.draws import Draw, draw
from mot_plugin.teachers.progress import Progress
from mot_plugin.teachers.sampled import sample_of
from mot_plugin.teachers.samples import Record, Samples
from mot_plugin.teachers.traces import Sample
from mot_plugin.teachers.verdicts import ACCEPTABLE, Judge, Rejected, normalise

IN_A_ROW = 8
"""Failed requests without an answer in between, each after all its attempts, before the endpoint counts as gone. Once it has
answered they must be of so many prompts: one prompt that breaks a server is no reason to give up the others."""
_HINTS = {
    "connection": "is it up, and is this its address? It stands in the machine file, under teachers",
    "timeout": "has it too much to do? Lower `concurrency` or raise `timeout_seconds` in the machine file, under teachers",
}
TOLERATED = 0.05
"""Share of draws that may be lost to errors of the endpoint; more would shape the corpus."""


@dataclass
class Drawing:
    """Draws for prompts, some of them at once. `fits` says whether a correct sample is short enough to end a prompt's drawing."""

    line: Line
    prompt: str
    row_prompt: str
    samples: Samples
    judge: Judge
    fits: Callable[[str, Sample], bool]
    progress: Progress
    name: str | None = None
    body: dict[str, Any] = field(default_factory=dict)
    drawn: dict[str, list[Draw]] = field(default_factory=dict)
    """The finished prompts."""
    unfinished: list[Problem] = field(default_factory=list)
    lost: int = 0
    stopped: tuple[str, str] | None = None
    """Why nothing more is asked for, though prompts are left, and what to do about it."""
    _asker: "_Asker | None" = None
    _seen: set[str] = field(default_factory=set)
    _unjudged: int = 0
    """Tokens of answers that are here and not counted yet: they are spent, however long their verdicts take."""

    async def from_disk(self, problems: Sequence[Problem]) -> None:
        """Draw as far as the samples on disk reach."""
        await self._all(problems)
        self.progress.begin()

    async def from_endpoint(self, endpoint: Endpoint, check: Callable[[], None]) -> None:
        """Draw what is left with requests. `check` raises if the server is ours and has died. Raises StepFailed."""
        client = Client(endpoint)
        self._asker = _Asker(client, check, asyncio.Semaphore(endpoint.concurrency))
        try:
            await self._all(self.unfinished)
        finally:
            self.progress.show(now=True)
            self._asker = None
            await client.close()

    def user(self, problem: Problem) -> str:
        """The user turn."""
        return self.prompt.replace("{problem}", problem.problem)

    def record(self, problem: Problem, index: int) -> Record:
        """The record behind a draw."""
        return self.samples.read(custom_id(self.user(problem), index))

    def lost_too_many(self) -> bool:
        """Whether errors of the endpoint took more draws than a corpus may lose."""
        return self.lost > TOLERATED * max(1, self.progress.drawn.total())

    async def _all(self, problems: Sequence[Problem]) -> None:
        self.unfinished = []
        try:
            async with asyncio.TaskGroup() as tasks:
                for problem in problems:
                    tasks.create_task(self._prompt(problem))
        except* (MotError, OSError) as failed:
            raise failed.exceptions[0] from None

    async def _prompt(self, problem: Problem) -> None:
        sampling = self.line.sampling

        async def get(index: int) -> Draw | None:
            return await self._draw(problem, index)

        drawn: list[Draw] = []
        complete = True
        if self.judge.verify == "none" or self.judge.checks(
            problem.references
        ):  # else nothing could be kept: nothing is paid for
            drawn, complete = await draw(sampling.mode, sampling.n, get)
        if not complete:
            self.unfinished.append(problem)
            return
        self.drawn[problem.id] = drawn
        self.progress.done += 1
        self.progress.kept += any(one.accepted for one in drawn)
        self.progress.show()

    async def _draw(self, problem: Problem, index: int) -> Draw | None:
        user = self.user(problem)
        identity = custom_id(user, index)
        known = identity in self.samples
        if known:
            record: Record | None = self.samples.read(identity)
        else:
            record = await self._request(user, index) if self._asker else None
        if record is None:
            return None
        sample = sample_of(record)
        verdict = await self.judge.verdict_async(sample, problem.references)
        row = self.row_prompt.replace("{problem}", problem.problem)
        accepted = verdict in ACCEPTABLE and self.fits(row, sample)
        if identity not in self._seen:  # one on disk is looked at again when its prompt is asked on
            self._seen.add(identity)
            self.progress.count(verdict, record.tokens, new=not known)
            self.progress.show()
        self._unjudged -= 0 if known else record.tokens or 0
        return Draw(index, verdict, accepted, record.tokens)

    async def _request(self, user: str, index: int) -> Record | None:
        assert self._asker is not None
        async with self._asker.free:
            limit = self.line.sampling.max_tokens_total
            if limit is not None and self.progress.tokens + self._unjudged >= limit:
                self.stopped = f"the budget of {limit:,} tokens (sampling.max_tokens_total) is spent", "raise it"
            if self.stopped:
                return None
            body = {**self.line.body(user, index, self.name), **self.body}
            record, passing = await self._asker.ask(custom_id(user, index), body)
            self.samples.append(record)
            self._unjudged += record.tokens or 0
            if limit is not None and record.body is not None and record.tokens is None:
                uncounted = "the server does not say how many tokens an answer has (usage.completion_tokens)"
                self.stopped = f"{uncounted}, so the budget cannot be kept", "take sampling.max_tokens_total out"
            if record.error is not None:
                self.progress.errors[record.error["reason"]] += 1
                self.lost += passing
                self._asker.stop_if_gone(record)
            return record


@dataclass
class _Asker:
    """Requests, and the judgement that the endpoint is gone."""

    client: Client
    check: Callable[[], None]
    free: asyncio.Semaphore
    in_a_row: list[str] = field(default_factory=list)
    """The prompts of the requests that failed since the last answer."""
    answered: bool = False

    async def ask(self, identity: str, body: dict[str, Any]) -> tuple[Record, bool]:
        """The record of one request, and whether its failure was of the passing kind."""
        note: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds")}
        answer = await self.client.ask(body)
        note["attempts"] = answer.attempts
        if isinstance(answer, Reply):
            self.in_a_row, self.answered = [], True
            return Record(identity, body, answer.body, None, note | {"seconds": answer.seconds}), False
        # A refusal says something of one request, once the endpoint has shown that it can answer others.
        if not (answer.refused and self.answered):
            self.in_a_row.append(identity.partition("-")[0])
        error = {"reason": answer.reason, "message": answer.message, "attempts": answer.attempts}
        return Record(identity, body, None, error, note), not answer.refused

    def stop_if_gone(self, record: Record) -> None:
        """Raise StepFailed once so many requests have failed that more would only fail too."""
        count = len(set(self.in_a_row) if self.answered else self.in_a_row)
        if count < IN_A_ROW or record.error is None:
            return
        self.check()
        hint = _HINTS.get(record.error["reason"])
        raise StepFailed(
            f"{self.client.endpoint.url}: {len(self.in_a_row)} requests in a row failed, the last one with "
            f"{record.error['reason']} in {record.error['attempts']} attempts: {record.error['message']}"
            + (f"\n  {hint}" if hint else "")
        )


def token_limit(overlong: str, limit: int, count: Callable[[str, str], int]) -> Callable[[str, Sample], bool]:
    """What ends a prompt's drawing, with `overlong: resample`: a correct sample whose row has at most `limit` tokens."""

    def fits(user: str, sample: Sample) -> bool:
        target = normalise(sample)
        return not isinstance(target, Rejected) and count(user, target) <= limit

    return fits if overlong == "resample" else lambda _user, _sample: True
