"""A run folder without a run: a real plan, and records and artifacts written by hand, in any state and with any text."""

import json
import os
import socket
import time
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from fake_world import make_world

from mot_plugin import machine as machines
from mot_plugin import run as runs
from mot_plugin.corpus import folder as corpora
from mot_plugin.folder import Folder
from mot_plugin.step import Plan, Step
from mot_plugin.store import Record, Store

BEGAN = 1_700_000_000.0
VOID = {"meta", "br", "hr", "img", "input", "link", "path", "rect", "line", "circle", "use"}


@dataclass
class LaidOut:
    """The run, and a clock that each step moves on."""

    folder: Folder
    plan: Plan
    store: Store
    now: float = BEGAN

    def do(
        self,
        step: Step,
        state: str = "done",
        seconds: float = 60.0,
        *,
        problems: int = 10,
        answers: int = 4,
        **more: Any,
    ) -> None:
        """Let a step have run."""
        began, self.now = self.now, self.now + seconds
        ended = None if state == "running" else self.now
        record = Record(step.name, step.kind, "tiny", state, started=began, ended=ended, host=socket.gethostname())  # type: ignore[arg-type]
        self.store.write(self.plan.prints[step.name], replace(record, **more))
        (self.store.home(self.plan.prints[step.name]) / "attempt-1.log").write_text("loading\nerror: no luck\n")
        if state == "done":
            out = self.store.out(self.plan.prints[step.name])
            out.mkdir(exist_ok=True)
            leave(step, out, problems, answers)
            self.folder.link(self.plan, step, self.store)

    def finish(self) -> None:
        """Let all of them have run."""
        for step in self.plan.steps:
            self.do(step)


def lay_out(root: Path, *, recipe: str = "", machine: str = "machine.yaml") -> LaidOut:
    """A run of two teachers and two rounds, or of another recipe, of which nothing has run yet."""
    world = make_world(root / "world", rounds=2)
    place = machines.load(world.root / machine)
    place = place.model_copy(update={"storage": place.storage.model_copy(update={"runs": str(world.runs)})})
    path = Path(__file__).parents[2] / recipe if recipe else world.root / "tiny.yaml"
    ready = runs.prepare(path, place)
    ready.folder.root.mkdir(parents=True)
    ready.folder.prepare(ready.plan, place, path)
    return LaidOut(ready.folder, ready.plan, ready.folder.store())


def leave(step: Step, out: Path, problems: int, answers: int) -> None:
    """What a page reads of a finished step."""
    if step.kind == "evaluate":
        tasks = json.loads(next(file.text for file in step.call.files if file.path.endswith("scores.json")))["tasks"]
        good = 2 + 2 * (step.round or 0)
        hits = [[int(number % 10 + answer % 4 < good) for answer in range(answers)] for number in range(problems)]
        value = sum(map(sum, hits)) / problems / answers
        metrics = {"score": {"value": value, "stderr": 0.05}, "truncated": {"value": 0.0, "stderr": 0.0}}
        hashes = [str(number) for number in range(problems)]
        entry = {"problems": problems, "repeats": answers, "metrics": metrics, "hits": hits, "doc_hashes": hashes}
        (out / "scores.json").write_text(json.dumps({"tasks": dict.fromkeys(tasks, entry)}))
    elif step.kind == "corpus":
        texts = (("What is 1 + 1?", f"<think>\n{step.name} counts\n</think>\n\n\\boxed{{2}}"),)
        write_corpus(out, step.name.partition("/")[2], texts)


def write_corpus(out: Path, teacher: str, texts: tuple[tuple[str, str], ...]) -> None:
    """A corpus of these problems and answers."""
    rows = [corpora.Row(f"p{n}", teacher, 0, 20, ("2",), *pair) for n, pair in enumerate(texts)]
    summary = {"name": f"SUMS-{teacher}".upper(), "source": "SUMS", "teacher": teacher, "prompts": 6, "samples": 12}
    counts = {
        "kept": len(rows),
        "dropped": {"no_correct_sample": 1},
        "verdicts": {"correct": 9, "wrong": 2, "truncated": 1},
    }
    tokens = corpora.token_statistics(rows)
    corpora.write(out, teacher, rows, {**summary, **counts, "tokens": tokens})
    judged = [(f"p{n}", ["correct", "wrong"], row, None) for n, row in enumerate(rows)]
    corpora.write_verdicts(out, judged)


def running() -> dict[str, Any]:
    """More of a record: this process is the supervisor, and the step began a moment ago."""
    return {"pid": os.getpid(), "started": time.time() - 20}


class Parsed(HTMLParser):
    """A page as its tags, their attributes, its ids and its text. Raises AssertionError where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open[-3:]} at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.said.append((self.open[-1] if self.open else "", data))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        """What a reader sees."""
        return " ".join(" ".join(words for tag, words in self.said if tag not in ("style", "script")).split())
