"""What a sampling has done so far: counts for the live view, a line in the log now and then."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = "progress.json"
_LINE_SECONDS = 30
ACCEPTED = ("correct", "unverified")


@dataclass
class Progress:
    """Counts of one step. `prompts` and `done` are prompts; `drawn` counts verdicts of samples, also of those found on disk."""

    folder: Path
    prompts: int
    budget: int | None = None
    done: int = 0
    kept: int = 0
    asked: int = 0
    found: int = 0
    tokens: int = 0
    new_tokens: int = 0
    drawn: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    _begun: float = field(default_factory=time.monotonic)
    _before: int = 0
    _written: float = 0.0
    _said: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Speed and time left count from here: what was found on disk took no time."""
        self._begun, self._before = time.monotonic(), self.done

    def count(self, verdict: str, tokens: int | None, *, new: bool) -> None:
        """One more sample, `new` from the endpoint or found on disk."""
        self.drawn[verdict] += 1
        self.tokens += tokens or 0
        self.asked += new
        self.found += not new
        self.new_tokens += (tokens or 0) * new

    def show(self, *, now: bool = False) -> None:
        """Write the counts, at most once a second."""
        moment = time.monotonic()
        if not now and moment - self._written < 1:
            return
        if not self.folder.is_dir():  # nobody is watching: requests are exported
            return
        self._written = moment
        part = self.folder / f".{FILE}"
        part.write_text(json.dumps(self.counts()), encoding="utf-8")
        part.replace(self.folder / FILE)
        if now or moment - self._said >= _LINE_SECONDS:
            self._said = moment
            print(words(self.counts()), flush=True)  # noqa: T201  (a step's log)

    def counts(self) -> dict[str, Any]:
        """The same as plain data; seconds_left is None while no prompt has been finished."""
        seconds = max(time.monotonic() - self._begun, 1e-9)
        finished = self.done - self._before
        return {
            "prompts": self.prompts,
            "done": self.done,
            "kept": self.kept,
            "asked": self.asked,
            "found": self.found,
            "tokens": self.tokens,
            "budget": self.budget,
            "tokens_per_second": self.new_tokens / seconds,
            "seconds_left": seconds / finished * (self.prompts - self.done) if finished else None,
            "verdicts": dict(self.drawn),
            "errors": dict(self.errors),
        }


def words(counts: dict[str, Any]) -> str:
    """`112 of 200 prompts, 97 kept; rejected: wrong 31, truncated 4; 1,234 tokens/s, about 18 min left`."""
    said = [f"{counts['done']} of {counts['prompts']} prompts, {counts['kept']} kept"]
    rejected = {name: count for name, count in counts["verdicts"].items() if name not in ACCEPTED}
    if rejected:
        said.append("rejected: " + ", ".join(f"{name} {count}" for name, count in Counter(rejected).most_common()))
    if counts["errors"]:
        said.append(
            "errors: " + ", ".join(f"{name} {count}" for name, count in Counter(counts["errors"]).most_common())
        )
    pace = [f"{counts['tokens_per_second']:,.0f} tokens/s"] if counts["asked"] else []
    if counts["budget"]:
        pace.append(f"{counts['tokens'] / counts['budget']:.0%} of the budget spent")
    if counts["seconds_left"] is not None and counts["done"] < counts["prompts"]:
        minutes = counts["seconds_left"] / 60
        pace.append(f"about {minutes:.0f} min left" if minutes >= 1 else f"about {60 * minutes:.0f} s left")
    return "; ".join([*said, *([", ".join(pace)] if pace else [])])


def brief(counts: dict[str, Any]) -> str:
    """The same in one line of a live view: `112 of 200 prompts, 97 kept, wrong 31, 3 others; 1,234 tok/s, 18 min left`."""
    said = [f"{counts['done']} of {counts['prompts']} prompts", f"{counts['kept']} kept"]
    rejected = Counter({name: count for name, count in counts["verdicts"].items() if name not in ACCEPTED})
    common = rejected.most_common(2)
    said += [f"{name} {count}" for name, count in common]
    others = rejected.total() - sum(count for _, count in common)
    said += [f"{others} others"] if others else []
    said += [f"{sum(counts['errors'].values())} errors"] if counts["errors"] else []
    pace = [f"{counts['tokens_per_second']:,.0f} tok/s"] if counts["asked"] else []
    if counts["budget"]:
        pace.append(f"{counts['tokens'] / counts['budget']:.0%} of budget")
    if counts["seconds_left"] is not None and counts["done"] < counts["prompts"]:
        left = counts["seconds_left"]
        pace.append(f"{left / 60:.0f} min left" if left >= 60 else f"{left:.0f} s left")
    return ", ".join(said) + ("; " + ", ".join(pace) if pace else "")


def read(folder: Path) -> dict[str, Any] | None:
    """The counts of a running step; None before there are any."""
    try:
        counts: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return counts
