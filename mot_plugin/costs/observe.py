"""What finished steps took: seconds from their records, tokens from what they wrote."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from mot_plugin.blocks import STUDENT
from mot_plugin.costs.amount import Amount, amount
from mot_plugin.costs.ground import Ground, of_run
from mot_plugin.folder import Folder
from mot_plugin.step import Step

ANSWERS = 200
"""So many answers of a task are counted, for its mean."""
LETTERS_OF_TOKEN = 4.0
"""Where the student's tokenizer is not there any more."""


@dataclass(frozen=True)
class Observed:
    """One finished step. `working` are the seconds of its work alone, if its tool says so."""

    ground: Ground
    step: Step
    amount: Amount
    seconds: float
    working: float | None = None
    answer_tokens: Mapping[str, float] = field(default_factory=dict)
    """Of an evaluation: mean tokens of an answer by task."""
    draws: float | None = None
    """Of a teacher that was asked: samples of a problem, and mean tokens of one."""
    sample_tokens: float | None = None


def observe(folder: Folder) -> list[Observed]:
    """All finished steps of a run that were timed. Raises FileError for a folder that is no run."""
    plan, store, ground = folder.plan(), folder.store(), of_run(folder)
    count = _Counting(store.out(plan.prints[STUDENT]) / "model" / "tokenizer.json") if STUDENT in plan.prints else None
    found = []
    for step in plan.steps:
        record, out = store.record(plan.prints[step.name]), store.out(plan.prints[step.name])
        if record is None or record.state != "done" or record.seconds is None or record.resumed:
            continue  # of a training that went on from a checkpoint, only the rest was timed
        one = Observed(ground, step, amount(ground, step), record.seconds)
        if step.kind == "train":
            one = replace(one, working=_elapsed(out))
        if step.kind == "evaluate" and count is not None:
            one = _answered(one, out, count)
        if step.kind == "traces":
            one = _asked(one, out)
        found.append(one)
    return found


def _elapsed(out: Path) -> float | None:
    """Seconds of the training itself, from the last row of LLaMA-Factory's log (`0:01:12`, or `1 day, 0:01:12`)."""
    for log in sorted(out.glob("*/trainer_log.jsonl")):
        rows = [row for row in _rows(log) if row.get("elapsed_time")]
        if rows:
            days, _, clock = str(rows[-1]["elapsed_time"]).rpartition("day")
            parts = [int(part) for part in clock.lstrip("s, ").split(":")]
            hours, minutes, seconds = [0] * (3 - len(parts)) + parts
            return float((int(days or 0) * 24 + hours) * 3600 + minutes * 60 + seconds) or None
    return None


def _answered(one: Observed, out: Path, count: "_Counting") -> Observed:
    """An evaluation by its stored answers. Where it asked fewer than we know of, the work stays as it was reckoned."""
    means, answers, tokens = dict[str, float](), 0, 0.0
    for file in sorted(out.glob("samples_*.jsonl")):
        texts = [str(text) for row in _rows(file) for text in row["resps"][0]]
        if texts:
            mean = count.mean(texts)
            means[file.stem.removeprefix("samples_")] = round(mean, 1)
            answers, tokens = answers + len(texts), tokens + mean * len(texts)
    if answers == one.amount.generations:
        one = replace(one, amount=replace(one.amount, generated=tokens))
    return replace(one, answer_tokens=means)


def _asked(one: Observed, out: Path) -> Observed:
    """A teacher's samples as its summary counts them."""
    said = next(iter(_rows(out / "summary.json", whole=True)), {})
    samples, tokens, prompts = (said.get(key) or 0 for key in ("samples", "completion_tokens", "prompts"))
    if not samples or not tokens or not prompts:
        return one
    work = replace(one.amount, generations=samples, generated=float(tokens))
    return replace(one, amount=work, draws=samples / prompts, sample_tokens=tokens / samples)


def _rows(file: Path, *, whole: bool = False) -> Iterator[dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return
    for line in [text] if whole else text.split("\n"):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


class _Counting:
    """Mean tokens of texts, by the student's own tokenizer."""

    def __init__(self, file: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(file)) if file.is_file() else None
        if self._tokenizer is not None:
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()

    def mean(self, texts: list[str]) -> float:
        """Of some of them, evenly taken, if there are many."""
        some = texts[:: max(1, len(texts) // ANSWERS)]
        if self._tokenizer is None:
            return sum(map(len, some)) / LETTERS_OF_TOKEN / len(some)
        encoded = self._tokenizer.encode_batch(some, add_special_tokens=False)
        return sum(len(one.ids) for one in encoded) / len(some)
