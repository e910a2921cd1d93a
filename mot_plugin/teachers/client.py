"""One request to an OpenAI-compatible endpoint, with its retries: a reply, or a failure with a name. Never a guess."""

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.errors import FileError, MissingInput, StepFailed
from mot_plugin.teachers import failures

if TYPE_CHECKING:
    import openai
    from tenacity import RetryCallState

LONGEST_WAIT = 120
"""Seconds between two attempts, at most, whatever a Retry-After says."""
_STANDARD = frozenset({"model", "messages", "n", "temperature", "top_p", "max_tokens", "seed"})


class Endpoint(BaseModel):
    """Where a teacher answers: a place's business, so none of it is in a fingerprint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    """Base URL, up to and including /v1."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; the key itself is written nowhere."""
    concurrency: int = Field(ge=1, default=32)
    timeout_seconds: float = Field(gt=0, default=3600)
    attempts: int = Field(ge=1, default=8)
    backoff_seconds: float = Field(ge=0, default=1)
    """Wait before the second attempt, with chance in it; doubles each time."""


@dataclass(frozen=True)
class Reply:
    """A server's answer that has a message in it."""

    body: dict[str, Any]
    attempts: int
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A request that got no usable answer. `refused`: the server understood it and said no, so asking again is of no use."""

    reason: str
    message: str
    attempts: int
    refused: bool


@dataclass
class Client:
    """Asks one endpoint. Raises MissingInput for a key that is not set, StepFailed where no request can ever succeed."""

    endpoint: Endpoint
    _client: "openai.AsyncOpenAI" = field(init=False)
    _key: str = field(init=False, repr=False, default="")

    def __post_init__(self) -> None:
        import openai

        if "@" in self.endpoint.url.partition("://")[2].partition("/")[0]:
            raise FileError("an endpoint's URL must not hold a password: name the key's variable in api_key_env")
        if self.endpoint.api_key_env is not None:
            self._key = _key_in(self.endpoint.api_key_env, self.endpoint.url)
        limit = openai.Timeout(self.endpoint.timeout_seconds, connect=15.0)
        # A key must be given to the client; one that servers without keys ignore. max_retries: ours are counted and named.
        self._client = openai.AsyncOpenAI(
            base_url=self.endpoint.url, api_key=self._key or "none", timeout=limit, max_retries=0
        )

    async def ask(self, body: Mapping[str, Any]) -> Reply | Failure:
        """One sample. Raises StepFailed when the endpoint says that it will never answer us: wrong key, no such model."""
        import tenacity

        begun = time.monotonic()
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self.endpoint.attempts),
            wait=self._wait,
            retry=tenacity.retry_if_exception(failures.may_pass),
            reraise=True,
        )
        try:
            answer: dict[str, Any] = await retrying(self._once, body)
        except failures.kinds() as error:
            self._stop_at_once(error, str(body["model"]))
            attempts = int(retrying.statistics.get("attempt_number", 1))
            return Failure(
                failures.reason(error), self._clean(_words(error)), attempts, refused=not failures.may_pass(error)
            )
        attempts = int(retrying.statistics.get("attempt_number", 1))
        return Reply(answer, attempts, round(time.monotonic() - begun, 3))

    async def close(self) -> None:
        """End the connections."""
        await self._client.close()

    async def _once(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The raw JSON: fields that the client's types do not know (a server's thinking) must not be lost."""
        standard = {name: value for name, value in body.items() if name in _STANDARD}
        extra = {name: value for name, value in body.items() if name not in _STANDARD}
        raw = await self._client.chat.completions.with_raw_response.create(**standard, extra_body=extra)
        try:
            answer: Any = json.loads(raw.http_response.content)
        except ValueError as error:
            start = self._clean(raw.http_response.text)[:80]
            raise failures.UnusableAnswer("not_json", f"the answer is not JSON ({error}): {start!r}") from None
        failures.check(answer)
        return dict(answer)

    def _wait(self, state: "RetryCallState") -> float:
        """What the server asks for, else exponential with chance: many clients must not come back at one moment."""
        import random

        error = state.outcome.exception() if state.outcome else None
        asked = failures.retry_after(error)
        doubled = self.endpoint.backoff_seconds * 2 ** (state.attempt_number - 1)
        chance = random.uniform(0.5, 1.0)  # noqa: S311  (no secret)
        return min(LONGEST_WAIT, asked if asked is not None else doubled * chance)

    def _stop_at_once(self, error: Exception, model: str) -> None:
        import openai

        where = self.endpoint.url
        said = self._clean(str(error))
        key = self.endpoint.api_key_env
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            hint = f"is {key} right?" if key else "name the variable that holds a key in api_key_env"
            raise StepFailed(f"{where} does not let us in: {said}\n  {hint}") from None
        if isinstance(error, openai.NotFoundError):
            raise StepFailed(
                f"{where} has no model {model!r}, or no /chat/completions: {said}\n"
                f"  see {where}/models; set `model:` of this teacher in the machine file to the name used there"
            ) from None
        if isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota":
            raise StepFailed(f"{where}: the account's quota is used up: {said}") from None

    def _clean(self, text: str) -> str:
        """Without the key: a vendor's error may repeat it. Cut only then, as half a key is one too."""
        return (re.sub(_quoted(self._key), "(key)", text) if self._key else text)[:500]


def _key_in(variable: str, url: str) -> str:
    """The key in an environment variable. Raises MissingInput without one, or where it is none that a request can carry."""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise MissingInput(f"{url} wants a key, and the environment has no {variable}: export it, then run again")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise MissingInput(
            f"{url} wants a key, and what the environment has as {variable} is none: a key has no spaces, line ends or "
            "letters beyond ASCII"
        )
    return key


def _quoted(key: str) -> str:
    """A pattern for the key as it is, and as JSON or Python writes it inside quotation marks."""
    return "".join(
        r"\\+" if sign == "\\" else rf"\\*{re.escape(sign)}" if sign in "\"'/" else re.escape(sign) for sign in key
    )


def _words(error: Exception) -> str:
    """What went wrong; of a connection the first cause too, which the client keeps to itself."""
    import openai

    cause: BaseException | None = error if type(error) is openai.APIConnectionError else None
    why = ""
    while cause is not None:
        cause = cause.__cause__ or cause.__context__
        why = str(cause or "") or why
    return f"{error} ({why})" if why else str(error)
