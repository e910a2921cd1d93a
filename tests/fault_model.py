"""The "model" behind `fault_server`: a completion that depends on the request alone.

Standard library only, pure: two servers, or one that was killed and started again, say the same.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STYLES = ("content", "no_open", "doubled_open", "reasoning", "reasoning_content", "summary", "doubled", "none")
"""Where the thought stands; `fault_replies.message` writes them."""

# What a request says about its delivery only. A token limit cuts a completion, it does not make another one.
_NOT_SAMPLING = {"n", "user", "metadata", "store", "stream", "stream_options", "max_tokens", "max_completion_tokens"}
_SUM = re.compile(r"\d+(?:\s*[-+]\s*\d+)+")
_TOKEN = re.compile(r"\s*\S+")  # a word with the space before it


@dataclass(frozen=True)
class Knobs:
    """How the model behaves. Shares are between 0 and 1, times in seconds.

    `jitter`: up to this much more than `latency`, by the request's digest. `answers`: what is right for a prompt that
    contains this text, where it is not the sum of the prompt's numbers. `models`: what /v1/models lists.
    """

    right: float = 0.5
    unboxed: float = 0.1
    cut: float = 0.1
    style: str = "content"
    latency: float = 0.0
    jitter: float = 0.0
    answers: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ("teacher",)

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"style {self.style!r} is none of {', '.join(STYLES)}")


@dataclass(frozen=True)
class Completion:
    """What the model says, before it is put into a message. A thought that is not `closed` has no answer after it."""

    thought: str
    answer: str
    closed: bool
    finish: str
    tokens: int


def draw(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone; they are what JSON can say."""
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48  # six bytes: eight would round to 1.0 at their very end


def prompt_of(body: Mapping[str, Any]) -> str:
    """The text of the last user turn, "" if there is none."""
    for turn in reversed(body.get("messages") or []):
        if turn.get("role") == "user":
            content = turn.get("content") or ""
            return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
    return ""


def complete(body: Mapping[str, Any], knobs: Knobs, choice: int = 0) -> Completion:
    """One choice for a request. At temperature 0 the seed makes no difference; no seed is one more seed, not chance."""
    asked = {key: value for key, value in body.items() if key not in _NOT_SAMPLING}
    if asked.get("temperature") == 0:
        asked.pop("seed", None)

    def luck(what: str) -> float:
        return draw(asked, choice, what)

    result = _right_answer(prompt_of(body), knobs)
    if luck("right") >= knobs.right:
        result = _slip(result, luck("slip"))
    boxed = result if luck("unboxed") < knobs.unboxed else f"\\boxed{{{result}}}"
    mark = f"{int(luck('mark') * 16**8):08x}"  # so that no two seeds say the same
    checks = "".join(f"\nCheck {number}: that makes {result}." for number in range(1, 2 + int(luck("checks") * 4)))
    room = luck("where") if luck("cut") < knobs.cut else None
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return _cut(f"Attempt {mark}.{checks}", f"The answer is {boxed}.", limit, room)


def _right_answer(prompt: str, knobs: Knobs) -> str:
    for problem, answer in knobs.answers.items():
        if problem in prompt:
            return answer
    written = _SUM.search(prompt)
    if written:
        return str(sum(int(number) for number in re.findall(r"[-+]?\d+", re.sub(r"\s", "", written[0]))))
    return str(sum(int(number) for number in re.findall(r"\d+", prompt)[:2]))


def _slip(answer: str, share: float) -> str:
    """Another answer; of an integer a near one."""
    off = 1 + int(share * 9)
    return str(int(answer) + off) if re.fullmatch(r"-?\d+", answer) else f"{answer}+{off}"


def _cut(thought: str, answer: str, limit: int | None, share: float | None) -> Completion:
    """Whole, or what fits into the token limit, or `share` of the whole where the model runs on."""
    thinking, answering = _TOKEN.findall(thought), _TOKEN.findall(answer)
    whole = len(thinking) + 1 + len(answering)  # the closing tag is a token, too
    room = whole if share is None else int(share * whole)
    room = room if limit is None else min(limit, room)
    if room >= whole:
        return Completion(thought, answer, closed=True, finish="stop", tokens=whole)
    if room > len(thinking):
        said = "".join(answering[: room - len(thinking) - 1])
        return Completion(thought, said, closed=True, finish="length", tokens=room)
    return Completion("".join(thinking[:room]), "", closed=False, finish="length", tokens=room)
