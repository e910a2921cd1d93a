"""Corpora of a run on a terminal: all of them, one with a mark for each sample, one prompt with a trace in full.

What models and data sets wrote is shown as Text, never as rich's markup, and without the characters that steer a terminal.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mot_plugin.answers import CLOSE, OPEN
from mot_plugin.corpus import reasons
from mot_plugin.corpus.look import Corpus, Judged, Shown
from mot_plugin.teachers.traces import Prompt

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

UNKNOWN = "\N{EN DASH}"

_STYLES = {"": "green", "correct": "red", "stopped": "yellow", "well-formed": "magenta", "returned": "magenta"}
_STEERING = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | dict.fromkeys(
    range(127, 160), 0xFFFD
)


def overview(console: "Console", corpora: Mapping[str, Mapping[str, Any] | None]) -> None:
    """A row per corpus, from the summaries; None is one that is not there yet."""
    table = _table(
        "corpus", "kept", "samples", "rejected", "row tokens\nmedian / max", "tokens per kept trace\nfirst right / all"
    )
    for column in (1, 2, 4, 5):
        table.columns[column].justify = "right"
    for name, summary in corpora.items():
        if summary is None:
            table.add_row(_text(name), "", "", _text("not there yet", "dim"))
            continue
        rejected = _text(reasons.rejected(summary["verdicts"]) or UNKNOWN)
        table.add_row(
            _text(name),
            f"{summary['kept']:,} of {summary['prompts']:,}",
            f"{summary['samples']:,}",
            rejected,
            f"{summary['tokens']['median']:,} / {summary['tokens']['max']:,}",
            _per_kept(summary),
        )
    console.print(table)
    if any(summary and "model" in summary.get("traces", {}) for summary in corpora.values()):
        console.print()
        words = "first right: sampling up to the first that is kept; all: n of each prompt; ~ is an estimate"
        console.print(_text(words, "dim"))


def _per_kept(summary: Mapping[str, Any]) -> str:
    """What a live teacher spent, or would have spent, for a kept trace in both ways of asking."""
    found = summary.get("traces", {}).get("tokens_per_kept", {})
    first, every = found.get("until_correct"), found.get("all")
    if first is None or every is None:
        return UNKNOWN
    return f"{first:,.0f} / {'~' if found['all_is_estimated'] else ''}{every:,.0f}"


def prompts(console: "Console", judged: Sequence[Judged], problems: Mapping[str, str], title: str) -> None:
    """A row per prompt: a mark for each sample, why it has no row of its own, how the problem begins."""
    dropped = any(one.dropped for one in judged)
    table = _table("id", "samples", *(["no row"] if dropped else []), "problem")
    widest = max((len(one.verdicts) for one in judged), default=0)
    table.columns[0].max_width, table.columns[1].min_width = 24, min(widest, 32)
    table.columns[0].overflow, table.columns[1].overflow, table.columns[-1].overflow = "ellipsis", "fold", "ellipsis"
    table.columns[0].no_wrap = table.columns[2].no_wrap = table.columns[-1].no_wrap = True
    for one in judged:
        begins = " ".join(problems.get(one.id, "").split())[:200]
        why = [_text(one.dropped or "", "yellow")] if dropped else []
        table.add_row(_text(one.id), _marks(one), *why, _text(begins, "dim"))
    console.print(_text(title, "bold"))
    console.print()
    console.print(table)


def prompt(console: "Console", corpus: Corpus, one: Judged, every: Mapping[str, Prompt], number: int | None) -> None:
    """A prompt of `every` and all its samples, and one of them in full: that of this number, else the kept one."""
    samples, said = corpus.samples(one, every), every[one.id]
    console.print(_text(f"{corpus.config.teacher} {one.id}", "bold"))
    console.print(_text(said.problem), soft_wrap=True)
    references = " or ".join(said.references) or "none"
    console.print(_text("").append("reference ", "dim").append(_plain(references)), soft_wrap=True)
    console.print()
    console.print(_samples(samples, one, corpus.config.max_tokens) if samples else _text("no samples", "dim"))
    console.print()
    explain(console, [one])
    shown = one.kept if number is None else number
    if shown is not None:
        console.print()
        _in_full(console, samples[shown], kept=shown == one.kept)
    elif samples:
        console.print(_text("none is kept; --sample N shows one in full", "dim"))


def _samples(samples: Sequence[Shown], one: Judged, limit: int) -> "Table":
    table = _table("sample", "", "verdict", "boxed answer", "row tokens", "")
    table.columns[0].justify = table.columns[4].justify = "right"
    table.columns[3].max_width, table.columns[3].overflow, table.columns[3].no_wrap = 40, "ellipsis", True
    for shown in samples:
        kept = shown.number == one.kept
        boxed = _text(" ".join((shown.boxed or UNKNOWN).split())[:200])
        long = shown.tokens is not None and shown.tokens > limit
        tokens = UNKNOWN if shown.tokens is None else f"{shown.tokens:,}"
        note = "kept" if kept else f"more than {limit:,}" if long and not reasons.of_sample(shown.verdict).stage else ""
        verdict = _text(shown.verdict, _style(shown.verdict))
        table.add_row(str(shown.number), _mark(shown.verdict, kept=kept), verdict, boxed, tokens, note)
    return table


def _in_full(console: "Console", shown: Shown, *, kept: bool) -> None:
    """One sample, its thought dimmed."""
    head = f"sample {shown.number}, {shown.verdict}" + (", kept" if kept else "")
    console.print(_text(f"── {head} ──", "cyan"))
    text = shown.sample.text
    thought, closed, answer = text.rpartition(CLOSE)
    if not closed and OPEN in text:
        thought, answer = text, ""
    whole = _text("").append(_plain(thought + closed), "dim").append(_plain(answer))
    console.print(whole if text else _text("(no text)", "dim"), soft_wrap=True)


def explain(console: "Console", judged: Sequence[Judged]) -> None:
    """What the marks and words mean, of those that are there."""
    counts = Counter(verdict for one in judged for verdict in one.verdicts)
    grid = _table("", "", "")
    grid.show_header = False
    if any(one.kept is not None for one in judged):
        grid.add_row(_text(reasons.KEPT, "bold green"), _text("kept"), _text("Its row is in the corpus."))
    for verdict, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        grid.add_row(_mark(verdict, kept=False), _text(verdict), _text(reasons.of_sample(verdict).sentence))
    for dropped in sorted({one.dropped for one in judged if one.dropped}):
        grid.add_row("", _text(dropped, "yellow"), _text(f"No row: {reasons.of_prompt(dropped)}."))
    console.print(grid)


def _marks(one: Judged) -> "Text":
    marks = _text("")
    for number, verdict in enumerate(one.verdicts):
        marks.append_text(_mark(verdict, kept=number == one.kept))
    return marks


def _mark(verdict: str, *, kept: bool) -> "Text":
    return _text(reasons.KEPT, "bold green") if kept else _text(reasons.of_sample(verdict).mark, _style(verdict))


def _style(verdict: str) -> str:
    return _STYLES[reasons.of_sample(verdict).stage]


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def _text(text: str, style: str = "") -> "Text":
    from rich.text import Text

    return Text(_plain(text), style)


def _plain(text: str) -> str:
    """Text without characters that steer a terminal: pictures of them stand in their place."""
    return text.replace("\r\n", "\n").translate(_STEERING)
