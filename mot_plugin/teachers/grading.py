"""Asking a judge, who is asked like a teacher: a verdict for every request, from disk where its replies are, else asked for.

The replies lie as they came in an append-only file, found by the judge, its settings and the whole request: nothing is
graded twice, whichever run it is from, and verdicts are read from the replies anew each time.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mot_plugin.errors import StepFailed
from mot_plugin.teachers.asking import Line, custom_id
from mot_plugin.teachers.client import Client, Endpoint, Reply
from mot_plugin.teachers.sampled import sample_of
from mot_plugin.teachers.samples import Record, Samples

ASKED = 3
"""How often a judge is asked for one verdict when its replies state none."""
IN_A_ROW = 8
"""Failed requests without an answer in between, each after all its attempts, before the endpoint counts as gone."""


@dataclass
class Grading:
    """Verdicts of one judge. `read` finds the verdict in a reply (its thought included); `again` is added to a request whose
    replies stated none, because at temperature 0 the same request has the same reply."""

    line: Line
    replies: Samples
    read: Callable[[str], str | None]
    again: str
    verdicts: dict[str, str | None] = field(default_factory=dict)
    """By request. None: the judge never stated one, or its server refused the request."""
    unread: list[str] = field(default_factory=list)
    """What was said in the place of a verdict."""
    errors: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    """Requests that have no verdict because of a failure that may pass."""
    _in_a_row: int = 0
    _answered: bool = False

    async def grade(self, requests: Iterable[str], endpoint: Endpoint) -> None:
        """A verdict for every request but the `lost` ones. Raises MotError where the endpoint can never answer."""
        left = [request for request in sorted(set(requests)) if not await self._graded(request, None)]
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

    def answered_as(self) -> list[str]:
        """The names under which the judge's server answered."""
        identities = [custom_id(request, 0) for request in self.verdicts]
        bodies = [self.replies.read(identity).body for identity in identities if identity in self.replies]
        return sorted({str(body["model"]) for body in bodies if body and body.get("model")})

    async def _graded(self, request: str, client: Client | None) -> bool:
        """Whether its verdict is known now; without a client only from what is on disk."""
        said = ""
        for index in range(ASKED):
            record = await self._reply(request + (self.again if index else ""), index, client)
            if record is None:
                return False
            if record.error is not None:
                said = record.error["message"]
                break
            said = sample_of(record).text
            verdict = self.read(said)
            if verdict is not None:
                self.verdicts[request] = verdict
                return True
        self.verdicts[request] = None
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
            self._in_a_row, self._answered = 0, True
            record = Record(identity, body, answer.body, None, note | {"seconds": answer.seconds})
            self.replies.append(record)
            return record
        error = {"reason": answer.reason, "message": answer.message, "attempts": answer.attempts}
        record = Record(identity, body, None, error, note)
        self.replies.append(record)
        self.errors[answer.reason] += 1
        # A refusal says something of one request, once the endpoint has shown that it can answer others.
        self._in_a_row += not (answer.refused and self._answered)
        if self._in_a_row >= IN_A_ROW:
            raise StepFailed(
                f"{client.endpoint.url}: {self._in_a_row} requests in a row failed, the last one with {answer.reason} in "
                f"{answer.attempts} attempts: {answer.message}"
            )
        self.lost += not answer.refused
        return record if answer.refused else None
