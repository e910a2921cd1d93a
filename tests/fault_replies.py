"""What `fault_server` sends back, faults included: pure, from a request and what is to happen to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fault_model import Completion, Knobs, complete, draw
from fault_plan import REFUSALS, Rule

HANG = 3600.0
PAGE = "<html><head><title>Sign in</title></head><body><h1>Proxy</h1></body></html>"
CREATED = 1_700_000_000  # a clock would make two bodies differ


@dataclass(frozen=True)
class Reply:
    """Wait so many seconds, send this, and hang up if told so. `length` is what the header claims the content has."""

    status: int = 200
    content: bytes | None = None
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    wait: float = 0.0
    hang_up: bool = False


def as_json(status: int, body: Mapping[str, Any], **rest: Any) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, json.dumps(body).encode(), **rest)


def refusal(status: int, code: str | None, text: str, seconds: float | None = None) -> Reply:
    """An error in OpenAI's form; `seconds` is for Retry-After."""
    after = {} if seconds is None else {"Retry-After": f"{seconds:g}"}
    error = {"message": text, "type": "error", "param": None, "code": code}
    return as_json(status, {"error": error}, headers=after)


def reply_to(body: Mapping[str, Any], knobs: Knobs, rule: Rule | None) -> Reply:
    """The reply to a chat request, with the fault of `rule` if there is one."""
    fault = rule.fault if rule else None
    seconds = rule.seconds if rule else None
    if fault == "refuse":
        return Reply(hang_up=True)
    if fault == "timeout":
        return Reply(wait=HANG if seconds is None else seconds, hang_up=True)
    if fault in REFUSALS:
        return refusal(*REFUSALS[fault], seconds)
    if body.get("stream"):
        return refusal(400, "unsupported", "This server does not stream.")
    wait = knobs.latency + knobs.jitter * draw(body, "jitter") + (seconds or 0.0) * (fault == "slow")
    if fault == "html_200":
        return Reply(content=PAGE.encode(), kind="text/html", wait=wait)
    content = json.dumps(_emptied(_answer(body, knobs, fault), fault)).encode()
    half = content[: len(content) // 2]
    if fault == "truncated_json":
        return Reply(content=half, wait=wait)
    if fault == "drop":
        return Reply(content=half, length=len(content), wait=wait, hang_up=True)
    return Reply(content=content, wait=wait)


def message(said: Completion, style: str) -> dict[str, Any]:
    """The assistant message as a server of that style sends it. A thought without its end has content None or ""."""
    end = f"\n</think>\n\n{said.answer}" if said.closed else ""
    whole = f"<think>\n{said.thought}{end}"
    alone = said.answer if said.closed else None
    fields: dict[str, Any] = {
        "content": {"content": whole},
        "no_open": {"content": f"{said.thought}{end}"},  # QwQ's and R1's templates write the tag into the prompt
        "doubled_open": {"content": f"<think>\n{whole}"},
        "reasoning": {"content": alone, "reasoning": said.thought},  # vLLM
        "reasoning_content": {"content": said.answer, "reasoning_content": said.thought},  # llama.cpp
        "summary": {
            "content": alone,
            "reasoning_details": [{"type": "reasoning.summary", "summary": "It adds the numbers.", "index": 0}],
        },
        "doubled": {"content": whole, "reasoning_content": said.thought},
        "none": {"content": said.answer},
    }
    return {"role": "assistant", **fields[style]}


def _answer(body: Mapping[str, Any], knobs: Knobs, fault: str | None) -> dict[str, Any]:
    wanted = body.get("n") or 1
    if fault == "wrong_n":
        wanted = 2 if wanted == 1 else 1
    said = [complete(body, knobs, choice) for choice in range(wanted)]
    asked = sum(len(str(turn.get("content")).split()) for turn in body.get("messages") or [])
    spent = sum(one.tokens for one in said)
    return {
        "id": f"chatcmpl-{int(draw(body, 'id') * 16**12):012x}",
        "object": "chat.completion",
        "created": CREATED,
        "model": body.get("model"),
        "choices": [
            {"index": index, "message": message(one, knobs.style), "finish_reason": one.finish, "logprobs": None}
            for index, one in enumerate(said)
        ],
        "usage": {"prompt_tokens": asked, "completion_tokens": spent, "total_tokens": asked + spent},
    }


def _emptied(answer: dict[str, Any], fault: str | None) -> dict[str, Any]:
    if fault == "no_choices":
        return answer | {"choices": []}
    if fault in ("empty_content", "null_content"):
        nothing = {"role": "assistant", "content": "" if fault == "empty_content" else None}
        return answer | {"choices": [choice | {"message": nothing} for choice in answer["choices"]]}
    return answer
