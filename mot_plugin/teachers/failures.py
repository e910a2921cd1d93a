"""What an answer or an error of an endpoint means: one word for counting, and whether asking again can help."""

import json
from typing import Any


class UnusableAnswer(Exception):
    """An answer with status 200 that is none."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def check(answer: Any) -> None:
    """Raise UnusableAnswer unless there is a message with something in it."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if isinstance(answer, dict) and answer.get("error"):
        raise UnusableAnswer("error_in_answer", f"status 200 with an error: {json.dumps(answer['error'])}")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise UnusableAnswer("no_choice", "the answer has no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise UnusableAnswer("no_message", "the answer has no message")
    said = any(value for name, value in message.items() if name not in ("role", "tool_calls"))
    if not said:
        raise UnusableAnswer("empty", f"the message is empty (finish_reason {choices[0].get('finish_reason')!r})")


def kinds() -> tuple[type[Exception], ...]:
    """What asking an endpoint raises."""
    import openai

    return (openai.OpenAIError, UnusableAnswer)


def may_pass(error: BaseException) -> bool:
    """Whether the same request can succeed later: overload, timeouts, connections and broken answers, not refusals."""
    import openai

    if isinstance(error, openai.RateLimitError):
        return error.code != "insufficient_quota"
    if isinstance(error, openai.APIStatusError):
        return error.status_code >= 500 or error.status_code in (408, 409, 425)
    return isinstance(error, openai.APIConnectionError | openai.APIResponseValidationError | UnusableAnswer)


def reason(error: BaseException) -> str:
    """One word for counting."""
    import openai

    if isinstance(error, UnusableAnswer):
        return error.reason
    if isinstance(error, openai.APIStatusError):
        return f"http_{error.status_code}"
    return "timeout" if isinstance(error, openai.APITimeoutError) else "connection"


def retry_after(error: BaseException | None) -> float | None:
    """Seconds that the server asks us to wait; None if it does not say."""
    import openai

    if not isinstance(error, openai.APIStatusError):
        return None
    try:
        return max(0.0, float(error.response.headers["retry-after"]))
    except (KeyError, ValueError):  # not given, or a date
        return None
