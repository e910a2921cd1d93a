"""Step `sample`: ask a live teacher until every prompt has what the recipe wants of it, and write its traces."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.errors import CheckFailed, MissingInput, StepFailed
from mot_plugin.lengths import token_count
from mot_plugin.sources.problems import Problem, read_problems
from mot_plugin.teachers import sampled
from mot_plugin.teachers.asking import Line, Sampling
from mot_plugin.teachers.client import Endpoint
from mot_plugin.teachers.drawing import Drawing, token_limit
from mot_plugin.teachers.progress import Progress
from mot_plugin.teachers.samples import open_samples
from mot_plugin.teachers.serve import serving
from mot_plugin.teachers.verdicts import Judge
from mot_plugin.teachers.verify import Verifier


class Server(BaseModel):
    """A server to start for the time of the step. `{port}` in `args` is replaced by a free one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: list[str] = Field(min_length=1)
    args: list[str]
    env: dict[str, str] = {}
    ready_seconds: float = 1800


class Place(BaseModel):
    """Where samples lie and where the teacher answers: none of it changes what a sample is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: str
    endpoint: Endpoint | None = None
    """Its url is the server's own where one is started."""
    server: Server | None = None
    name: str | None = None
    """How the endpoint calls the model, if not as the recipe does."""
    body: dict[str, Any] = {}
    """Fields that this server wants besides, and that shape no text."""


class Config(BaseModel):
    """`prompt` is what the teacher is asked around {problem}, `row_prompt` what the student is trained on.

    `row_tokens` and `overlong` are the corpus's: a trace too long to be kept does not end the drawing where another would be
    taken instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: str
    model: str
    problems: str
    prompt: str
    row_prompt: str
    sampling: Sampling
    seed: int
    tokenizer: str
    row_tokens: int = Field(gt=0)
    overlong: Literal["drop", "resample", "truncate"]
    verify: Literal["answers", "none"]
    place: Place
    out: str
    format: int = 1


def run(config: Config) -> None:
    """Write traces.jsonl and summary.json. Raises MotError; samples that were had are kept whatever happens."""
    Path(config.out).mkdir(parents=True, exist_ok=True)
    with drawing(config) as (work, problems):
        asyncio.run(work.from_disk(problems))
        if work.unfinished:
            _ask(config, work)
        if work.unfinished or work.lost_too_many():
            raise _incomplete(work)
        work.progress.show(now=True)
        drawn = [(problem, work.drawn[problem.id]) for problem in problems]
        sampled.write(Path(config.out), config.teacher, config.prompt, work.line, drawn, work.record)


@contextmanager
def drawing(config: Config) -> Iterator[tuple[Drawing, list[Problem]]]:
    """The drawing that a config describes, with its samples opened, and the problems to draw for."""
    problems = read_problems(Path(config.problems))
    line = Line(config.model, config.sampling, config.seed)
    count = token_count(Path(config.tokenizer))
    with open_samples(Path(config.place.samples), line) as samples, Verifier() as verifier:
        work = Drawing(
            line=line,
            prompt=config.prompt,
            row_prompt=config.row_prompt,
            samples=samples,
            judge=Judge(config.verify, verifier),
            fits=token_limit(config.overlong, config.row_tokens, count),
            progress=Progress(Path(config.out), len(problems), config.sampling.max_tokens_total),
            name=config.place.name,
            body=config.place.body,
        )
        yield work, problems


def _ask(config: Config, work: Drawing) -> None:
    """Draw what the samples on disk leave open, from the endpoint or from a server of our own."""
    endpoint, server = config.place.endpoint, config.place.server
    if server is not None:
        log = Path(config.out) / "server.log"
        starting = serving(server.command, server.args, env=server.env, log=log, ready_seconds=server.ready_seconds)
        with starting as up:
            endpoint = (endpoint or Endpoint(url=up.url)).model_copy(update={"url": up.url})
            asyncio.run(work.from_endpoint(endpoint, up.check))
    elif endpoint is not None:
        asyncio.run(work.from_endpoint(endpoint, lambda: None))
    else:
        raise MissingInput(_nobody(config, len(work.unfinished), work.progress.prompts))


def _nobody(config: Config, left: int, prompts: int) -> str:
    name = config.teacher
    return (
        f"teacher {name}: {left} of {prompts} prompts lack samples of {config.model}, and nobody says where it answers\n"
        f"  name an endpoint in the machine file:  teachers: {{{name}: {{endpoint: http://HOST:PORT/v1}}}}\n"
        f"  or let vLLM serve it on GPUs there:    teachers: {{{name}: {{serve: {{}}}}}}\n"
        f"  or ask elsewhere, and bring it back:   mot-plugin corpus export RECIPE {name} --out DIR"
    )


def _incomplete(work: Drawing) -> CheckFailed | StepFailed:
    """What to say when prompts are left or too many draws were lost: nothing that was had is lost."""
    progress = work.progress
    have = f"{progress.done} of {progress.prompts} prompts are done, {progress.kept} kept, {progress.tokens:,} tokens spent"
    if work.stopped:
        why, remedy = work.stopped
        return CheckFailed(
            f"{why}: {have}\n  {remedy} and run again to go on from here; all samples are in\n  {work.samples.file}"
        )
    errors = ", ".join(f"{reason} {count}" for reason, count in progress.errors.most_common())
    return StepFailed(
        f"{work.lost} samples could not be had ({errors}): {have}\n  run again: only they are asked for again"
    )
