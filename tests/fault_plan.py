"""What goes wrong in `fault_server`, and when: the plan file, which is read again for every request."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fault_model import Knobs

REFUSALS: dict[str, tuple[int, str, str]] = {
    "400_context": (400, "context_length_exceeded", "The prompt is longer than the context of 4096 tokens."),
    "401": (401, "invalid_api_key", "This key is not known here."),
    "403": (403, "forbidden", "This key may not ask this model."),
    "404_model": (404, "model_not_found", "There is no such model."),
    "429": (429, "rate_limit_exceeded", "Too many requests."),
    "429_quota": (429, "insufficient_quota", "The quota of this key is used up."),
    "500": (500, "internal_error", "Something broke."),
    "503": (503, "unavailable", "The server has too much to do."),
}
"""Faults that are an error in words: HTTP status, OpenAI's code, message."""

FAULTS = (
    *REFUSALS,
    *("timeout", "slow"),  # no answer, a late one
    *("refuse", "drop"),  # hang up at once, in the middle of the body
    *("truncated_json", "html_200", "empty_content", "null_content", "no_choices", "wrong_n"),  # 200, and useless
)


@dataclass(frozen=True)
class Rule:
    """One fault, for the requests that match everything given; None matches all.

    `times`: so often for each prompt and seed, None for ever. `seconds`: how long "timeout" hangs (None: an hour), by how
    much "slow" is late, and what an error's Retry-After says (None: it has none).
    """

    fault: str
    prompt_contains: str | None = None
    seed: int | None = None
    nth_request: int | None = None
    times: int | None = 1
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"fault {self.fault!r} is none of {', '.join(FAULTS)}")

    def matches(self, prompt: str, seed: int | None, number: int) -> bool:
        """Whether this is for chat request `number` of the server's life, counted from 1."""
        return (
            (self.prompt_contains is None or self.prompt_contains in prompt)
            and (self.seed is None or self.seed == seed)
            and (self.nth_request is None or self.nth_request == number)
        )


@dataclass(frozen=True)
class Plan:
    """The rules, of which the first that matches and has not fired often enough does, and how the model behaves."""

    rules: tuple[Rule, ...] = ()
    knobs: Knobs = field(default_factory=Knobs)

    def write(self, path: Path) -> None:
        """Put it there whole: a reader sees the old plan or the new one."""
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(asdict(self)), encoding="utf-8")
        part.replace(path)


def as_plan(rules: Sequence[Mapping[str, Any]], knobs: Mapping[str, Any]) -> Plan:
    """A plan from JSON; a rule's conditions may stand in a `match` of their own.

    Raises TypeError for an unknown key, ValueError for an unknown fault or style.
    """
    flat = ({key: value for key, value in rule.items() if key != "match"} | rule.get("match", {}) for rule in rules)
    tuples: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in knobs.items()}
    return Plan(tuple(Rule(**rule) for rule in flat), Knobs(**tuples))


def read_plan(path: Path) -> Plan:
    """The plan in a file: {"rules": [...], "knobs": {...}}, or the rules alone. Raises as `as_plan` does."""
    written = json.loads(path.read_text(encoding="utf-8"))
    return as_plan(written, {}) if isinstance(written, list) else as_plan(written["rules"], written.get("knobs", {}))


class Fired:
    """How often each rule fired for each prompt and seed, for as long as the server lives, whatever other rules come."""

    def __init__(self) -> None:
        self._times: Counter[tuple[Rule, str, int | None]] = Counter()

    def next(self, plan: Plan, prompt: str, seed: int | None, number: int) -> Rule | None:
        """The rule whose turn it is, counted as fired."""
        for rule in plan.rules:
            key = (rule, prompt, seed)
            if rule.matches(prompt, seed, number) and (rule.times is None or self._times[key] < rule.times):
                self._times[key] += 1
                return rule
        return None
