"""What teachers said to which prompts, and where it is read from. A new kind of teacher is a class with `prompts()`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.strict import suggest

# A tokenizer reads these as its own tokens wherever they stand: `<|im_end|>` in a row would end the turn.
CHAT_TOKEN = re.compile(
    r"<\|[A-Za-z][A-Za-z0-9_]{2,}\|>"
    r"|<\uff5c[^\uff5c\n]{1,40}\uff5c>"  # DeepSeek's, with fullwidth bars
    r"|</?(?:tool_call|tool_response)>"
)
THINK_TAG = re.compile(r"</?think>")

_SHOWN = 10


@dataclass(frozen=True)
class Sample:
    """One completion as it came. `finish_reason`: "stop", "length", ...; None where it was not recorded.

    `unusable` names why there is no text to judge: a refusal, a summary in the thought's place, no answer at all.
    """

    text: str
    finish_reason: str | None = None
    unusable: str | None = None


@dataclass(frozen=True)
class Prompt:
    """One problem with a teacher's samples, in the order of sampling.

    An answer is right if it says the same as any of `references`; without one nothing can be called right.
    """

    id: str
    problem: str
    references: tuple[str, ...]
    samples: tuple[Sample, ...]


class TeacherSource(Protocol):
    """Anything that can say what a teacher answered."""

    def prompts(self) -> Iterator[Prompt]:
        """Every prompt once, in any order. Raises MotError."""
        ...


@dataclass(frozen=True)
class TraceFile:
    """Recorded answers, one prompt a line: {"id", "problem", "reference", "samples": [{"text", "finish_reason"}]}.

    `reference` must be there: a text, a list of texts of which any will do, or null. `finish_reason` may be left out, and so
    may `unusable`, which names why a sample has no text. `meta`, here and in a sample, may hold anything.
    """

    path: Path

    def prompts(self) -> Iterator[Prompt]:
        """Prompts in the file's order, once all of it is found right.

        Raises MissingInput without a file, FileError with every wrong line (the first ten in words).
        """
        prompts: list[Prompt] = []
        found: list[str] = []
        line_of: dict[str, int] = {}
        for number, line in enumerate(self._lines(), 1):
            where = f"  {self.path}:{number}"
            try:
                prompt = _prompt(line)
            except ValidationError as error:
                found.append(f"{where}: {'; '.join(_words(error))}")
                continue
            if prompt.id in line_of:
                found.append(f"{where}: id {prompt.id!r} is on line {line_of[prompt.id]} already")
            line_of.setdefault(prompt.id, number)
            prompts.append(prompt)
        if found:
            more = [f"  ... and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
            head = f"{self.path} has {len(found)} wrong line{'s' if len(found) > 1 else ''}"
            raise FileError("\n".join([head, *found[:_SHOWN], *more]))
        return iter(prompts)

    def _lines(self) -> list[bytes]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise MissingInput(
                f"{self.path}: no such file\n"
                '  it should hold a teacher\'s answers, one prompt a line: {"id", "problem", "reference", "samples"};\n'
                "  put it there or mend the teacher's path in the recipe"
            ) from None
        except IsADirectoryError:
            raise MissingInput(f"{self.path} is a folder; name the JSONL file in it") from None
        # Not splitlines(): U+2028 and U+0085 are line ends to it, and ordinary characters inside a JSON string.
        lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        while lines and not lines[-1].strip():
            lines.pop()
        if not lines:
            raise FileError(f"{self.path} is empty: it should hold a teacher's answers, one prompt a line")
        return lines


def _some_text(text: str) -> str:
    if not text.strip():
        raise ValueError("empty")
    return text


def _plain_problem(problem: str) -> str:
    token = CHAT_TOKEN.search(problem) or THINK_TAG.search(problem)
    if token:
        raise ValueError(f"holds {token[0]}, which a chat template writes: take it out")
    return problem


def _any_of(reference: object) -> object:
    if reference is None or isinstance(reference, str):
        return () if reference is None else (reference,)
    if isinstance(reference, list):
        return tuple(reference)
    raise ValueError(f"should be a text, a list of texts or null, got {reference!r:.60}")


def _no_verdict(word: str) -> str:
    if word in ("correct", "unverified"):
        raise ValueError(f"{word!r} is a verdict, which only our own judgement gives")
    return word


_Text = Annotated[str, AfterValidator(_some_text)]


class _SampleLine(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    text: str
    finish_reason: str | None = None
    unusable: Annotated[str, AfterValidator(_no_verdict)] | None = None
    meta: Any = None


class _PromptLine(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: _Text
    problem: Annotated[_Text, AfterValidator(_plain_problem)]
    reference: Annotated[tuple[_Text, ...], BeforeValidator(_any_of)]
    samples: tuple[_SampleLine, ...]
    meta: Any = None


def _prompt(line: bytes) -> Prompt:
    read = _PromptLine.model_validate_json(line)
    samples = tuple(Sample(sample.text, sample.finish_reason, sample.unusable) for sample in read.samples)
    return Prompt(read.id, read.problem, read.reference, samples)


def _words(error: ValidationError) -> Iterator[str]:
    for finding in error.errors():
        place, kind = finding["loc"], finding["type"]
        key = ".".join(map(str, place))
        if kind == "json_invalid":
            yield f"not JSON ({finding['ctx']['error']})"
        elif kind == "missing":
            yield f"{key} is missing" + (" (null where there is none)" if key == "reference" else "")
        elif kind == "extra_forbidden":
            known = _SampleLine if place[0] == "samples" else _PromptLine
            yield f"{key}: unknown key{suggest(str(place[-1]), known.model_fields)}"
        elif kind == "value_error":
            yield f"{key}: {finding['ctx']['error']}"
        else:
            yield f"{key or 'the line'}: {finding['msg']}, got {finding['input']!r:.60}"
