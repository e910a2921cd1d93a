"""Step `corpus`: one teacher's distillation corpus from its recorded answers (paper, sec. 4.1: STD)."""

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mot_plugin.corpus import card, facts, folder
from mot_plugin.corpus.choose import preferences
from mot_plugin.corpus.facts import PLACE, About
from mot_plugin.corpus.remedies import nothing_kept
from mot_plugin.corpus.sourced import sourced
from mot_plugin.errors import CheckFailed
from mot_plugin.lengths import TokenCount, token_count
from mot_plugin.teachers.recorded import OURS, Recorded
from mot_plugin.teachers.traces import Prompt
from mot_plugin.teachers.verdicts import Judge, Rejected, normalise
from mot_plugin.teachers.verify import Verifier


class Config(BaseModel):
    """`prompt` is the user turn around {problem}; `max_tokens` the student's tokens of a whole row.

    `overlong`, for a chosen sample with more: `resample` takes the next correct one and drops the prompt after the
    last, `drop` drops it at once, `truncate` keeps the row as it is, so that LLaMA-Factory cuts its end off.
    `problems`, if given, are the only ones that count, with their references; traces of others are left out.
    `verify`: `answers` keeps samples that say the same as the reference, `none` every well-formed one.
    `asked`, of a live teacher, is the summary of the step that asked it; it and `about` are for the data card alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: str
    source_name: str
    traces: str
    trace_format: str = OURS
    columns: dict[str, str] = {}
    named: str | None = None
    problems: str | None = None
    tokenizer: str
    prompt: str
    max_tokens: int = Field(gt=0)
    overlong: Literal["drop", "resample", "truncate"] = "resample"
    verify: Literal["answers", "none"] = "answers"
    seed: int
    asked: str | None = None
    about: About = About()
    out: str
    format: int = 1

    @field_validator("prompt")
    @classmethod
    def _has_a_place(cls, prompt: str) -> str:
        if PLACE not in prompt:
            raise ValueError(f"has no {PLACE}")
        return prompt


def run(config: Config) -> None:
    """Write the corpus folder. Raises MissingInput, FileError, or CheckFailed when there is no row to train on."""
    recorded = Recorded(Path(config.traces), config.trace_format, config.columns, config.named).prompts()
    prompts, lost = sourced(recorded, config.problems)
    count = token_count(Path(config.tokenizer))
    kept: dict[str, folder.Row] = {}
    why: dict[str, str] = {}
    too_long = 0
    with Verifier() as verifier:
        judge = Judge(config.verify, verifier)
        every = judge.verdicts_of(prompts)
    for prompt, judged in zip(prompts, every, strict=True):
        row, longer = _row(config, prompt, preferences(prompt, judged, config.seed, config.teacher), count)
        too_long += longer
        if row is not None:
            kept[prompt.id] = row
        elif longer:
            why[prompt.id] = "too_long"
        elif config.verify == "answers" and not judge.checks(prompt.references):
            why[prompt.id] = "unverifiable"
        else:
            why[prompt.id] = "no_correct_sample" if prompt.samples else "no_trace"
    verdicts = Counter(verdict for judged in every for verdict in judged)
    dropped = Counter(why.values())
    if not kept:
        raise CheckFailed(nothing_kept(config.traces, config.max_tokens, len(prompts), dropped, verdicts))
    summary = {
        "name": f"{config.source_name}-{config.teacher}".upper(),
        "source": config.source_name,
        "teacher": config.teacher,
        "prompts": len(prompts),
        "samples": verdicts.total(),
        "kept": len(kept),
        "dropped": dict(sorted(dropped.items())),
        "verdicts": dict(sorted(verdicts.items())),
        "too_long_samples": too_long,
        "not_in_source": lost,
        "tokens": folder.token_statistics(list(kept.values())),
        **_rule_and_traces(config),
    }
    out = Path(config.out)
    folder.write(out, config.teacher, list(kept.values()), summary)
    judgements = zip(prompts, every, strict=True)
    folder.write_verdicts(out, [(one.id, said, kept.get(one.id), why.get(one.id)) for one, said in judgements])
    card.write(out, config.about)


def _rule_and_traces(config: Config) -> dict[str, Any]:
    """By which rules rows were made, and of what."""
    rule = config.model_dump(include={"verify", "overlong", "max_tokens", "seed", "prompt"})
    if config.verify == "answers":
        rule["compared_by"] = facts.comparer()
    if config.asked is not None:
        return {"rule": rule, "traces": facts.asked(Path(config.asked))}
    return {"rule": rule, "traces": facts.recorded(Path(config.traces), config.trace_format, config.named)}


def _row(
    config: Config, prompt: Prompt, candidates: tuple[int, ...], count: TokenCount
) -> tuple[folder.Row | None, int]:
    """The prompt's row, if one is kept, and how many candidates were looked at and had more than `max_tokens`."""
    user = config.prompt.replace(PLACE, prompt.problem)
    too_long = 0
    for index in candidates if config.overlong == "resample" else candidates[:1]:
        target = normalise(prompt.samples[index])
        assert not isinstance(target, Rejected), "only well-formed samples are candidates"
        tokens = count(user, target)
        too_long += tokens > config.max_tokens
        if tokens <= config.max_tokens or config.overlong == "truncate":
            return folder.Row(prompt.id, config.teacher, index, tokens, prompt.references, user, target), too_long
    return None, too_long
