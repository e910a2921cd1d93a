"""A corpus of a run to look into: its verdicts, and what the teacher said, read again from where the corpus step read it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.answers import last_boxed, split_thinking
from mot_plugin.corpus import build, folder
from mot_plugin.corpus.sourced import sourced
from mot_plugin.errors import FileError, MissingInput
from mot_plugin.lengths import TokenCount, token_count
from mot_plugin.sources.problems import read_problems
from mot_plugin.strict import suggest
from mot_plugin.teachers.recorded import Recorded
from mot_plugin.teachers.traces import Prompt, Sample
from mot_plugin.teachers.verdicts import ACCEPTABLE, Rejected, normalise

_NAMED = 5


@dataclass(frozen=True)
class Judged:
    """One prompt: the verdict on each of its samples, the number of the kept one, or the word for why none is."""

    id: str
    verdicts: tuple[str, ...]
    kept: int | None
    dropped: str | None

    def fell(self, reason: str) -> bool:
        """Whether a sample, or the whole prompt, was rejected for this reason."""
        return reason == self.dropped or (reason in self.verdicts and reason not in ACCEPTABLE)

    def example(self, reason: str) -> int | None:
        """The first sample that was rejected for this reason; of a prompt dropped as a whole one that is right, else any."""
        found = [number for number, verdict in enumerate(self.verdicts) if verdict == reason]
        right = [number for number, verdict in enumerate(self.verdicts) if verdict in ACCEPTABLE]
        return next(iter([*found, *right, *range(len(self.verdicts))]), None)


@dataclass(frozen=True)
class Shown:
    """One sample of a prompt. `tokens`: of the row that it makes or would make, None where the student's tokenizer is gone."""

    number: int
    sample: Sample
    verdict: str
    boxed: str | None
    tokens: int | None


@dataclass(frozen=True)
class Corpus:
    """One teacher's corpus in the run folder `run`, where the paths of its step's config start."""

    run: Path
    step: str
    config: build.Config

    @property
    def out(self) -> Path:
        """Its folder."""
        return self.run / "artifacts" / self.step

    def judged(self) -> list[Judged]:
        """All prompts, by id. Raises MissingInput, FileError."""
        path = self.out / folder.VERDICTS
        try:
            return [_judged(json.loads(line)) for line in folder.lines(path)]
        except FileNotFoundError:
            raise MissingInput(f"{path}: no such file; build the corpus again") from None
        except (ValueError, KeyError, TypeError) as error:
            raise FileError(f"{path} was not written by this program: {error!r}; build the corpus again") from None

    def prompts(self) -> dict[str, Prompt]:
        """What the teacher said to each prompt, by id; the whole trace file is read. Raises MissingInput, FileError."""
        config = self.config
        traces = Recorded(self.run / config.traces, config.trace_format, config.columns, config.named)
        problems = None if config.problems is None else str(self.run / config.problems)
        return {prompt.id: prompt for prompt in sourced(traces.prompts(), problems)[0]}

    def problems(self) -> dict[str, str]:
        """The text of each prompt, by id, from the source if there is one: traces may be gigabytes."""
        if self.config.problems is None:
            return {name: prompt.problem for name, prompt in self.prompts().items()}
        return {problem.id: problem.problem for problem in read_problems(self.run / self.config.problems)}

    def samples(self, one: Judged, said: Mapping[str, Prompt]) -> list[Shown]:
        """Each sample of a prompt with its verdict. Raises FileError if the traces are no longer those that were judged."""
        prompt = said.get(one.id)
        if prompt is None or len(prompt.samples) != len(one.verdicts):
            now = len(prompt.samples) if prompt else "no"
            raise FileError(
                f"{one.id} has {len(one.verdicts)} verdicts, and {now} samples in the traces of {self.config.teacher}: "
                "they have changed since, run the recipe again"
            )
        user = self.config.prompt.replace("{problem}", prompt.problem)
        count = self._count()
        return [
            Shown(number, sample, verdict, _boxed(sample), count(user, sample))
            for number, (sample, verdict) in enumerate(zip(prompt.samples, one.verdicts, strict=True))
        ]

    def _count(self) -> Callable[[str, Sample], int | None]:
        """Tokens of a row: as it is trained on, or of the sample as it came where it cannot be."""
        try:
            count: TokenCount = token_count(self.run / self.config.tokenizer)
        except MissingInput:
            return lambda _user, _sample: None

        def of(user: str, sample: Sample) -> int:
            target = normalise(sample)
            return count(user, sample.text if isinstance(target, Rejected) else target)

        return of


def find(every: Sequence[Judged], beginning: str) -> Judged:
    """The prompt whose id is this, or begins so and no other does. Raises FileError."""
    found = [one for one in every if one.id == beginning] or [one for one in every if one.id.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    if found:
        named = ", ".join(one.id for one in found[:_NAMED]) + (", ..." if found[_NAMED:] else "")
        raise FileError(f"{len(found)} ids begin with {beginning!r} ({named}): give more of one")
    raise FileError(f"no prompt has the id {beginning!r}{suggest(beginning, [one.id for one in every])}")


def rejected(every: Sequence[Judged], reason: str) -> list[Judged]:
    """The prompts with something that was rejected for this reason. Raises FileError when there is none."""
    found = [one for one in every if one.fell(reason)]
    if not found:
        words = {word for one in every for word in (*one.verdicts, one.dropped) if word and one.fell(word)}
        hint = suggest(reason, words) or (f"; there are {', '.join(sorted(words))}" if words else "")
        raise FileError(f"nothing was rejected as {reason!r}{hint}")
    return found


def _judged(line: dict[str, Any]) -> Judged:
    return Judged(line["id"], tuple(line["verdicts"]), line["kept"], line["dropped"])


def _boxed(sample: Sample) -> str | None:
    """What the answer boxes, also where it did not count; an unfinished thought has no answer."""
    return last_boxed(split_thinking(sample.text).answer)
