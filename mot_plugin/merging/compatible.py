"""Step `compatible`: can these branches be merged at all? Asked before mergekit starts, because it answers late or never.

mergekit reads for minutes before it meets a tensor that does not fit, drops tensors that only some models have without
a word, and writes into whatever an earlier merge left in its output folder.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.folder import read_json
from mot_plugin.merging.layout import HEAD, dtypes, layout_problems
from mot_plugin.merging.weights import Checkpoint, open_checkpoint

EMBEDDING = "model.embed_tokens.weight"
_KIND = ("architectures", "model_type")


class Config(BaseModel):
    """`branches` by teacher, `start` the student that they were trained from, `out` where the merge will be written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    branches: dict[str, str] = Field(min_length=1)
    start: str
    out: str | None = None
    format: int = 1


def run(config: Config) -> None:
    """Check, and say on stdout what was found. Raises CheckFailed."""
    compatible(config.branches, config.start, config.out)
    sys.stdout.write(f"{len(config.branches)} branches of {config.start} fit together\n")


def compatible(branches: Mapping[str, str], start: str, out: str | None = None) -> None:
    """Read headers and configs only. Raises one CheckFailed with everything that keeps `branches` from being merged."""
    problems = _leftover(Path(out)) if out is not None else []
    student, config = open_checkpoint(start), read_json(Path(start) / "config.json")
    folders: dict[Path, str] = {}
    for name, path in branches.items():
        twin = folders.setdefault(Path(path).resolve(), name)
        if twin != name:
            problems.append(f"{name}: is the same folder as {twin}, and mergekit takes no model twice")
        try:
            problems += [f"{name}: {problem}" for problem in _problems(open_checkpoint(path), student, config)]
        except CheckFailed as error:
            problems.append(f"{name}: {error}")
    if problems:
        advice = "mergekit was not started. Branches of one merge must be trained from one student with one tokenizer."
        raise CheckFailed("\n".join(["the branches cannot be merged", *problems, advice]))


def _problems(branch: Checkpoint, start: Checkpoint, config: Mapping[str, object]) -> list[str]:
    own = read_json(branch.folder / "config.json")
    problems = [
        f"its {key} is {own.get(key)}, the start's {config.get(key)}"
        for key in _KIND
        if own.get(key) != config.get(key)
    ]
    rows = {name: (branch.tensors[name].shape[0], start.tensors[name].shape[0]) for name in _vocabulary(branch, start)}
    problems += [
        f"{name} has {found} rows, one per token, the start has {wanted}: the vocabulary was resized (a template that adds "
        "tokens, `resize_vocab`), and no merge can tell which rows belong together"
        for name, (found, wanted) in rows.items()
        if found != wanted
    ]
    problems += layout_problems(branch, start)
    if EMBEDDING in rows and own.get("vocab_size") not in (None, rows[EMBEDDING][0]):
        problems.append(f"config.json says vocab_size {own['vocab_size']}, {EMBEDDING} has {rows[EMBEDDING][0]} rows")
    if odd := set(dtypes(branch)) - {"F32", "BF16"}:
        problems.append(f"weights are stored as {', '.join(sorted(odd))}; a branch is F32 or BF16")
    return problems


def _vocabulary(branch: Checkpoint, start: Checkpoint) -> list[str]:
    """The tensors with a row per token that both have."""
    return [name for name in (EMBEDDING, HEAD) if name in branch.tensors and name in start.tensors]


def _leftover(out: Path) -> list[str]:
    """An output folder must be new: mergekit adds its shards to whatever is there."""
    if not out.is_dir() or not any(out.iterdir()):
        return []
    return [f"{out} already holds files, of a merge that was cut short or of another one: remove it first"]
