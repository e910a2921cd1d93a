"""The sections of a data card about where its rows come from: warnings, the source, benchmarks, teachers, licences.

Markdown lines, and functions of the facts alone: the same corpus has the same card.
"""

import json
from collections.abc import Mapping
from typing import Any

from mot_plugin.corpus import reasons
from mot_plugin.corpus.card_text import code, file_list, last_part, listed, table
from mot_plugin.corpus.facts import Facts
from mot_plugin.sources.contamination import CONTAMINATED

_MODES = {
    "until_correct": "up to {n} samples of a prompt, up to the first that can be kept",
    "all": "{n} samples of each prompt",
}


def warnings(facts: Facts) -> list[str]:
    """What nobody should train on or publish without knowing."""
    said: list[str] = []
    loose = [name for name, part in facts.parts.items() if part["rule"]["verify"] == "none"]
    if loose:
        said.append(
            f"**Unverified.** Nobody compared the answers of {listed(loose)} with references: wrong traces may be among them."
        )
    unknown = [what for what, name in facts.licenses.items() if not name]
    if unknown:
        said.append(
            f"**Licence unknown.** The recipe names no licence for the {listed(unknown)}: find out before you train on them or "
            "pass them on."
        )
    live = [name for name, part in facts.parts.items() if "model" in part["traces"]]
    if live:
        said.append(
            f"**Terms of use.** {listed(live)} answered requests. Whoever hosts a model may forbid to train on what it says, "
            "whatever licence its weights have: read the terms."
        )
    if not (facts.source or {}).get("benchmarks"):
        said.append("**Not compared with benchmarks.** Problems of a test set may be among these.")
    return [line for one in said for line in (f"> {one}", ">")][:-1]


def source(facts: Facts) -> list[str]:
    """Where the problems come from, and how few of them are left."""
    found = facts.source
    if found is None:
        return [
            f"Problems are those of the recorded traces, as they came; the recipe calls their source {facts.summary['source']}."
        ]
    where = f"the data set {code(found['hub'])} at commit {code(found['revision'])}" if found["hub"] else "local files"
    drawn = f"They were drawn with seed {found['seed']}." if found["sample"] else "All that were left were taken."
    ids = "Each teacher's `verdicts.jsonl`" if facts.union else "`verdicts.jsonl`"
    lines = [
        f"{facts.summary['source']}: {where}, rows read as {code(found['format'])}.",
        "",
        *file_list(found["files"]),
        "",
        *table(("stage", "left"), [(name, f"{count:,}") for name, count in found["counts"].items()]),
        "",
        f"{drawn} {ids} has their ids, `provenance.jsonl` those of the rows.",
    ]
    lines += [f"Left out, {stage}: {reasons.counted(counts)}." for stage, counts in found["dropped"].items()]
    if found["unverifiable"]:
        lines.append(f"No answer to these can be checked: {reasons.counted(found['unverifiable'])}.")
    return lines


def benchmarks(facts: Facts) -> list[str]:
    """What was looked for among the problems, and found."""
    rows = []
    for task, found in (facts.source or {}).get("benchmarks", {}).items():
        gone = {rule: count for rule, count in found["found"].items() if rule in CONTAMINATED}
        review = [f"{entry['id']} ({entry['share']:.0%} of {entry['against']})" for entry in found["review"]]
        left_out, alike = reasons.counted(gone) or "none", ", ".join(review) or "none"
        rows.append((task, f"{found['problems']:,}", left_out, alike, found["sha256"][:12]))
    if not rows:
        return ["The problems were compared with no benchmark."]
    return [
        *table(("benchmark", "problems", "left out of the source", "alike, but still there", "sha256"), rows),
        "",
        "Left out is a copy (`exact`), one with nearly the same letters (`letters`), one that holds half of a benchmark "
        "problem's runs of eight words (`coverage`) or thirteen of its words in a row (`13-gram`).",
    ]


def teachers(facts: Facts) -> list[str]:
    """Who was asked and how, or which recorded traces were read."""
    return [line for name, part in facts.parts.items() for line in _teacher(name, part["traces"])]


def _teacher(name: str, traces: Mapping[str, Any]) -> list[str]:
    if "model" not in traces:
        called = f", there called {code(traces['named'])}" if traces["named"] else ""
        return [
            f"* **{name}**: recorded traces, format {code(traces['format'])}{called}",
            *[f"  {line}" for line in file_list(traces["files"])],
        ]
    sampling = dict(traces["sampling"])
    how = _MODES[sampling.pop("mode")].format(n=sampling.pop("n"))
    sampling.pop("max_tokens_total", None)  # what it may cost, not what it is
    sampling |= sampling.pop("extra")
    shown = [f"{key} {json.dumps(value)}" for key, value in sampling.items() if value is not None]
    names = [code(last_part(one)) for one in traces["answered_as"]]
    answered = f", which answered as {listed(names)}" if names else ""
    spent = f"{traces['samples']:,} samples of {traces['prompts']:,} prompts, {traces['completion_tokens']:,} tokens of the teacher"
    return [
        f"* **{name}**: {code(last_part(traces['model']))}{answered}",
        f"  * asked for {how}; {', '.join(shown)}; seed {traces['seed']}",
        f"  * {'; '.join([spent, *_per_kept(traces)])}",
    ]


def _per_kept(traces: Mapping[str, Any]) -> list[str]:
    """What a kept trace costs in either way of asking, as far as that is known."""
    kept, n = traces["tokens_per_kept"], traces["sampling"]["n"]
    said = []
    if kept["until_correct"] is not None:
        said.append(f"{kept['until_correct']:,.0f} for each kept trace, asking up to the first correct one")
    if kept["all"] is not None:
        said.append(
            f"{kept['all']:,.0f}{' (estimated)' if kept['all_is_estimated'] else ''}, asking for {n} of each prompt"
        )
    return said


def licences(facts: Facts) -> list[str]:
    """What is under which licence."""
    return [f"* {what}: {code(name) if name else '**unknown**'}" for what, name in facts.licenses.items()]
