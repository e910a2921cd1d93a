"""Step `check-merge`: is mergekit's output the merge of these branches? Also makes it a usable student."""

import hashlib
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.folder import TEMPLATE, missing_files, read_json, replace_file
from mot_plugin.merging.layout import HEAD, extra_head, layout_problems, not_finite, some
from mot_plugin.merging.mean import mismatches
from mot_plugin.merging.weights import Checkpoint, open_checkpoint

_DONATED = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    TEMPLATE,
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


class Config(BaseModel):
    """`model` is mergekit's output for `branches`, all trained from `start`.

    `weights` are the linear weights by branch, None for a method that is no weighted mean. Sums follow the order of
    `branches`, which must be the merge file's. `sample_tensors` are checked beside the largest and the embedding.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    start: str
    branches: dict[str, str] = Field(min_length=1)
    weights: dict[str, float] | None
    sample_tensors: int = Field(default=8, ge=0)
    seed: int = 0
    format: int = 1

    @model_validator(mode="after")
    def _weights_fit(self) -> "Config":
        if self.weights is not None:
            if self.weights.keys() != self.branches.keys():
                raise ValueError(f"weights name {sorted(self.weights)}, branches {sorted(self.branches)}")
            if not math.isfinite(total := sum(self.weights.values())) or not total:
                raise ValueError(f"weights add up to {total}: there is no such mean")
        return self


def run(config: Config) -> None:
    """Mend the small files of `model`, then check all of it; say on stdout what was found.

    Raises one CheckFailed with everything that is wrong.
    """
    folder, start = Path(config.model), open_checkpoint(config.start)
    branches = {name: open_checkpoint(path) for name, path in config.branches.items()}
    merged = open_checkpoint(folder)
    repair(folder, start.folder)

    problems = [f"lacks {name}" for name in missing_files(folder)]
    problems += layout_problems(merged, start)
    wide = sorted(name for name, info in merged.tensors.items() if info.dtype != "BF16")
    if wide:
        kinds = sorted({merged.tensors[name].dtype for name in wide})
        problems.append(f"{some(wide)} stored as {', '.join(kinds)}: the merge file must say `out_dtype: bfloat16`")
    broken = not_finite(merged)
    if broken:
        problems.append(f"NaN or Inf in {some(broken)}: the weights add up to 0, or a branch has them")
    sampled: list[str] = []
    if config.weights is not None:
        inputs, weights = list(branches.values()), [config.weights[name] for name in config.branches]
        sampled = sample([merged, *inputs], config.sample_tensors, config.seed)
        for name in sampled:
            wrong, size = mismatches(merged, inputs, weights, name), merged.tensors[name].size
            if wrong:
                problems.append(f"{name}: {wrong} of {size} elements are not the weighted mean of the branches")
    if problems:
        advice = (
            "Nothing of this merge is used. Look at its log and its merge file; the branches themselves were checked."
        )
        raise CheckFailed("\n".join([f"{folder} is not the merge that was asked for", *problems, advice]))
    head = f", with an unused {HEAD} (tied)" if extra_head(merged, start) else ""
    exact = f"{len(sampled)} compared bit for bit" if config.weights is not None else "not a mean: values not compared"
    sys.stdout.write(f"{folder}: {len(merged.tensors)} tensors of {len(branches)} branches{head}, {exact}\n")


def sample(checkpoints: Sequence[Checkpoint], count: int, seed: int) -> list[str]:
    """Names of tensors to compare: `count` drawn by `seed`, the largest and the embeddings.

    Only tensors that all `checkpoints` have in one shape, and the first in BF16: the others are problems of their own.
    """
    first = checkpoints[0].tensors
    names = [
        name
        for name, info in first.items()
        if info.dtype == "BF16"
        and all(name in other.tensors and other.tensors[name].shape == info.shape for other in checkpoints)
    ]
    # Ordered by hash, so that the draw is the same on every machine and Python.
    drawn = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())[:count]
    largest = sorted(names, key=lambda name: (-first[name].size, name))[:1]
    return sorted({*drawn, *largest, *(name for name in names if "embed" in name)})


def repair(folder: Path, start: Path) -> None:
    """Give the merged model `start`'s tokenizer, template and generation files, and a config.json fit for use.

    mergekit copies these from the first branch, and training changes them: LLaMA-Factory saves `use_cache: false` (it
    turns the cache off for gradient checkpointing; a student that generates without one is slow), drops or sets token
    ids, and marks the tokenizer as local. Round after round starts from the same files instead.
    """
    for name in _DONATED:
        source, target = start / name, folder / name
        if source.is_file() and (not target.is_file() or target.read_bytes() != source.read_bytes()):
            replace_file(target, source.read_bytes())
    if not (start / TEMPLATE).is_file() and not missing_files(start, [TEMPLATE]):
        # The start's template stands in tokenizer_config.json, and a file would be read in its place.
        (folder / TEMPLATE).unlink(missing_ok=True)
    if not (folder / "config.json").is_file():
        return  # named as missing by the check
    config, original = read_json(folder / "config.json"), read_json(start / "config.json")
    wanted = {key: value for key, value in config.items() if key not in _TOKEN_IDS}
    wanted |= {key: original[key] for key in _TOKEN_IDS if key in original} | {"use_cache": True}
    if wanted != config:
        replace_file(folder / "config.json", (json.dumps(wanted, indent=2, sort_keys=True) + "\n").encode())
