"""What a data card is made from: names that a recipe gives, and what the steps counted. Paths and dates are in none of it."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from mot_plugin.corpus import folder
from mot_plugin.errors import FileError, MissingInput
from mot_plugin.sources.rows import files_of

PLACE = "{problem}"
"""Where the problem stands in a user turn."""

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH = re.compile(
    r"\b(?:the|of|is|are|and|what|how|many|if|find|let|for|that|with|be|an?|when|each|has|there)\b", re.IGNORECASE
)
_SHARE = 0.05  # of the problems; fewer are quotations


class About(BaseModel):
    """Names for a card, which change no row: licences as the hub calls them (None: nobody said), the student, its template.

    `licenses`: of each teacher's traces. `source`: the summary.json of the step that read the source.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    student: str = ""
    template: str = ""
    source_name: str = ""
    source: str | None = None
    source_license: str | None = None
    licenses: dict[str, str | None] = {}


@dataclass(frozen=True)
class Facts:
    """All that the card of one corpus folder says. `dataset`: what LLaMA-Factory calls it. `languages`: of the problems."""

    about: About
    dataset: str
    summary: Mapping[str, Any]
    source: Mapping[str, Any] | None
    languages: tuple[str, ...]

    @property
    def union(self) -> bool:
        """Whether these are the rows of several corpora."""
        return "per_teacher" in self.summary

    @property
    def parts(self) -> dict[str, Mapping[str, Any]]:
        """Teacher -> the summary of its corpus; of a union all of them."""
        return parts(self.summary)

    @property
    def licenses(self) -> dict[str, str | None]:
        """What a licence is of -> its name, the problems' first."""
        traces = {f"traces of {teacher}": self.about.licenses.get(teacher) for teacher in self.parts}
        return {"problems": self.about.source_license, **traces}


def parts(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Teacher -> summary, of one corpus or of a union."""
    return dict(summary.get("per_teacher") or {summary["teacher"]: summary})


def read(corpus: Path, about: About, root: Path) -> Facts:
    """The facts of a finished corpus; paths in `about` start at `root`. Raises MissingInput, FileError."""
    rows, counted = folder.read(corpus)
    summary = _named(counted, about.source_name or counted["source"])
    dataset = next(iter(_json(corpus / folder.DATASET_INFO)))
    source = _json(root / about.source) if about.source else None
    before, _, after = str(next(iter(parts(summary).values()))["rule"]["prompt"]).partition(PLACE)
    problems = [row.user.removeprefix(before).removesuffix(after) for row in rows]
    return Facts(about, dataset, summary, source, languages(problems))


def languages(problems: Iterable[str]) -> tuple[str, ...]:
    """Those of English and Chinese in which at least one problem in 20 is written, by its words; others are not told."""
    every = list(problems)
    english = sum(len({word.casefold() for word in _ENGLISH.findall(text)}) > 1 for text in every)
    chinese = sum(_CHINESE.search(text) is not None for text in every)
    return tuple(code for code, count in (("en", english), ("zh", chinese)) if count and count >= _SHARE * len(every))


def recorded(traces: Path, form: str, named: str | None) -> dict[str, Any]:
    """What identifies recorded traces: the names that the files have where they lie, and their SHA-256."""
    files = [file.resolve() for file in (files_of(traces) if traces.is_dir() else [traces])]
    said = []
    for file in files:
        with file.open("rb") as opened:
            said.append({"name": file.name, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()})
    return {"format": form, "named": named, "files": said}


def asked(summary: Path) -> dict[str, Any]:
    """What a live teacher's step says of itself. Raises MissingInput, FileError."""
    return _json(summary)


def comparer() -> str:
    """What compares answers where integers and text do not decide, with its version."""
    return f"math-verify {metadata.version('math-verify')}"


def _named(summary: dict[str, Any], source: str) -> dict[str, Any]:
    """The summary with another name for its source: corpora are shared between recipes, which call it as they like."""
    name = str(summary["name"]).removeprefix(str(summary["source"]).upper())
    return {**summary, "source": source, "name": source.upper() + name}


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file; run the step that makes it") from None
    except ValueError as error:
        raise FileError(f"{path}: not JSON ({error})") from None
    return found
