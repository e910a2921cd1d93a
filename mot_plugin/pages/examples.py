"""A few traces of each corpus to look at: rows that are trained on, and one sample of each reason for rejection.

Traces may be gigabytes, and a page is made again and again: what was picked is remembered by the corpus's fingerprint.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mot_plugin.answers import split_thinking
from mot_plugin.corpus import folder as corpora
from mot_plugin.corpus import reasons
from mot_plugin.corpus.facts import PLACE
from mot_plugin.corpus.look import Corpus, Judged
from mot_plugin.errors import FileError, MissingInput
from mot_plugin.store import replace_text

LARGEST = 64 * 2**20
"""Larger trace files are not read for a page."""

_KEPT, _REASONS, _LONGEST = 2, 4, 6000
_FORMAT = 1


@dataclass(frozen=True)
class Example:
    """One sample: the problem, the thought (None without one), the answer, what became of it and why."""

    id: str
    sample: int
    kept: bool
    verdict: str
    why: str
    problem: str
    references: tuple[str, ...]
    thought: str | None
    answer: str
    tokens: int | None


def examples(corpus: Corpus, memory: Path) -> list[Example]:
    """From memory, else picked now and remembered; only kept rows where the traces are large, or gone."""
    known = _remembered(memory)
    if known is not None:
        return known
    found: list[Example] = []
    with suppress(MissingInput, FileError):  # moved or changed since: the corpus itself is the run's
        found += _kept(corpus)
        traces = corpus.run / corpus.config.traces
        if traces.is_file() and traces.stat().st_size <= LARGEST:
            found += _rejected(corpus, corpus.judged())
    memory.parent.mkdir(parents=True, exist_ok=True)
    content = {"format": _FORMAT, "examples": [asdict(one) for one in found]}
    replace_text(memory, json.dumps(content))  # ASCII: half a surrogate pair in a trace is no UTF-8
    return found


def _remembered(memory: Path) -> list[Example] | None:
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        content = json.loads(memory.read_bytes())
        if content["format"] == _FORMAT:
            return [Example(**{**one, "references": tuple(one["references"])}) for one in content["examples"]]
    return None


def _kept(corpus: Corpus) -> list[Example]:
    """The first rows, and not only the easiest: prompts are in the order of their ids."""
    rows, _ = corpora.read(corpus.out)
    before, _, after = corpus.config.prompt.partition(PLACE)
    picked = rows[:: max(1, len(rows) // _KEPT)][:_KEPT]
    return [
        _example(
            row.id, row.sample, "correct" if corpus.config.verify == "answers" else "unverified",
            row.user.removeprefix(before).removesuffix(after), row.references, row.assistant, kept=True, tokens=row.tokens,
        )
        for row in picked
    ]  # fmt: skip


def _rejected(corpus: Corpus, judged: Sequence[Judged]) -> list[Example]:
    """One of each of the commonest reasons."""
    counts: dict[str, int] = {}
    first: dict[str, tuple[str, int]] = {}
    for one in judged:
        for number, verdict in enumerate(one.verdicts):
            if one.fell(verdict):
                counts[verdict] = counts.get(verdict, 0) + 1
                first.setdefault(verdict, (one.id, number))
    wanted = sorted(counts, key=lambda verdict: -counts[verdict])[:_REASONS]
    if not wanted:
        return []
    said = corpus.prompts()
    found = []
    for verdict in wanted:
        name, number = first[verdict]
        prompt = said.get(name)
        if prompt is not None and number < len(prompt.samples):
            text = prompt.samples[number].text
            found.append(
                _example(name, number, verdict, prompt.problem, prompt.references, text, kept=False, tokens=None)
            )
    return found


def _example(
    name: str,
    sample: int,
    verdict: str,
    problem: str,
    references: Sequence[str],
    text: str,
    *,
    kept: bool,
    tokens: int | None,
) -> Example:
    parts = split_thinking(text)
    why = (
        "Its answer is the reference, and it was chosen."
        if kept and verdict == "correct"
        else reasons.of_sample(verdict).sentence
    )
    thought = parts.reasoning if parts.reasoning is None else shorten(parts.reasoning.strip())
    return Example(
        name,
        sample,
        kept,
        verdict,
        why,
        shorten(problem),
        tuple(references),
        thought,
        shorten(parts.answer.strip()),
        tokens,
    )


def shorten(text: str) -> str:
    """A long text without its middle."""
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n\n[… {len(text) - 2 * half:,} characters left out …]\n\n{text[-half:]}"
