"""Step `corpus`: one teacher's distillation corpus from its recorded answers (paper, sec. 4.1: STD)."""

from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mot_plugin.corpus import folder
from mot_plugin.corpus.choose import Rejected, judge, normalise, preferences
from mot_plugin.corpus.lengths import TokenCount, token_count
from mot_plugin.corpus.traces import Prompt, TraceFile
from mot_plugin.errors import CheckFailed

_PLACE = "{problem}"
_REMEDY = {
    "truncated": "the answers ran into their token limit: sample them with a larger max_tokens",
    "not_stopped": 'the finish_reason of a finished answer is "stop": see what your server wrote instead',
    "unfinished": "no answer has a </think>: was the reasoning stored elsewhere, or thinking switched off?",
    "no_answer": r"nothing is in \boxed{}: the teacher's prompt should ask for it",
    "wrong": "the references may be of other problems, or worked solutions without a \\boxed{} answer",
    "special_token": "chat tokens are in the answers: sample with skip_special_tokens",
}


class Config(BaseModel):
    """`prompt` is the user turn around {problem}; `max_tokens` the student's tokens of a whole row.

    `overlong`, for a chosen sample with more: `resample` takes the next correct one and drops the prompt after the
    last, `drop` drops it at once, `truncate` keeps the row as it is, so that LLaMA-Factory cuts its end off.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: str
    source_name: str
    traces: str
    tokenizer: str
    prompt: str
    max_tokens: int = Field(gt=0)
    overlong: Literal["drop", "resample", "truncate"] = "resample"
    seed: int
    out: str
    format: int = 1

    @field_validator("prompt")
    @classmethod
    def _has_a_place(cls, prompt: str) -> str:
        if _PLACE not in prompt:
            raise ValueError(f"has no {_PLACE}")
        return prompt


def run(config: Config) -> None:
    """Write the corpus folder. Raises MissingInput, FileError, or CheckFailed when there is no row to train on."""
    prompts = sorted(TraceFile(Path(config.traces)).prompts(), key=lambda prompt: prompt.id)
    count = token_count(Path(config.tokenizer))
    rows: list[folder.Row] = []
    dropped: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    too_long = 0
    for prompt in prompts:
        judged = judge(prompt)
        verdicts.update(judged)
        row, longer = _row(config, prompt, preferences(prompt, judged, config.seed, config.teacher), count)
        too_long += longer
        if row is None:
            dropped["too_long" if longer else "no_correct_sample"] += 1
        else:
            rows.append(row)
    if not rows:
        raise CheckFailed(_nothing_kept(config, len(prompts), dropped, verdicts))
    summary = {
        "name": f"{config.source_name}-{config.teacher}".upper(),
        "source": config.source_name,
        "teacher": config.teacher,
        "prompts": len(prompts),
        "samples": verdicts.total(),
        "kept": len(rows),
        "dropped": dict(sorted(dropped.items())),
        "verdicts": dict(sorted(verdicts.items())),
        "too_long_samples": too_long,
        "tokens": folder.token_statistics(rows),
    }
    folder.write(Path(config.out), config.teacher, rows, summary)


def _row(
    config: Config, prompt: Prompt, candidates: tuple[int, ...], count: TokenCount
) -> tuple[folder.Row | None, int]:
    """The prompt's row, if one is kept, and how many candidates were looked at and had more than `max_tokens`."""
    user = config.prompt.replace(_PLACE, prompt.problem)
    too_long = 0
    for index in candidates if config.overlong == "resample" else candidates[:1]:
        target = normalise(prompt.samples[index])
        assert not isinstance(target, Rejected), "only well-formed samples are candidates"
        tokens = count(user, target)
        too_long += tokens > config.max_tokens
        if tokens <= config.max_tokens or config.overlong == "truncate":
            return folder.Row(prompt.id, config.teacher, index, tokens, prompt.reference, user, target), too_long
    return None, too_long


def _nothing_kept(config: Config, prompts: int, dropped: Counter[str], verdicts: Counter[str]) -> str:
    lines = [
        f"{config.traces}: none of {prompts} prompts has a sample to train on",
        f"  prompts  {_listed(dropped)}",
        f"  samples  {_listed(verdicts) or 'none'}",
    ]
    if dropped["too_long"]:
        lines.append(f"  too long: a row may have {config.max_tokens} tokens (sft.cutoff_len); raise it")
    commonest = [verdict for verdict, _ in verdicts.most_common() if verdict in _REMEDY][:1]
    lines += [f"  {verdict}: {_REMEDY[verdict]}" for verdict in commonest if dropped["no_correct_sample"]]
    return "\n".join(lines)


def _listed(counts: Counter[str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count}" for name, count in ordered)
