"""Step `stream-merge`: the linear family of mergekit's files, streamed from disk to disk with mergekit's very bits.

Beside mergekit, not instead: it reads the same YAML, takes `linear` and `task_arithmetic` with plain weights, refuses
everything else, and keeps a few chunks in memory whatever the size of the models.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.errors import FileError, StepFailed
from mot_plugin.merging import stream_yaml
from mot_plugin.merging.folder import TEMPLATE, read_json
from mot_plugin.merging.stream_sum import exact
from mot_plugin.merging.stream_tensors import Tensor, split, tensors
from mot_plugin.merging.stream_write import Engine
from mot_plugin.merging.weights import open_checkpoint

_TOKENIZERS = ("tokenizer.json", "tokenizer.model")
_COPIED = (
    *_TOKENIZERS,
    *"tokenizer_config.json special_tokens_map.json added_tokens.json merges.txt generation_config.json".split(),
    *(TEMPLATE, "chat_template.json", "video_preprocessor_config.json"),
)
"""What mergekit copies beside the weights, from the base_model."""

PROCESSOR = Path("/proc/cpuinfo")
_WIDTHS = {"BF16": 2, "F16": 2, "F32": 4}
_RESERVE = 2**20  # bytes of small files


class Config(BaseModel):
    """`config` is a mergekit file, `out` the new model folder, `shard_bytes` mergekit's `--out-shard-size`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: str
    out: str
    shard_bytes: int = Field(default=5_000_000_000, ge=0)
    format: int = 1


def run(config: Config, processor: Path = PROCESSOR) -> None:
    """Merge. `out` appears at the end, complete and on the disk; until then there is only `out`.part.

    Raises FileError for what only mergekit merges, CheckFailed for inputs that do not fit together.
    """
    formula = stream_yaml.load(Path(config.config))
    checkpoints = {path: open_checkpoint(path) for path in formula.inputs}
    donor = checkpoints[formula.donor]
    found = tensors(list(checkpoints.values()), donor)
    width = _WIDTHS[formula.dtype]
    _check_processor(found, formula, processor)
    out = Path(config.out)
    part = out.with_name(f"{out.name}.part")
    if out.exists():
        raise FileError(f"{out} is already there, but this step makes a new folder: move it away")
    shutil.rmtree(part, ignore_errors=True)  # what an earlier attempt left
    part.mkdir(parents=True)
    needed, free = sum(tensor.size for tensor in found) * width + _RESERVE, shutil.disk_usage(part).free
    if needed > free:
        raise StepFailed(f"{part.parent}: the merge takes {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    _small_files(donor.folder, part, {kind: name for name, kind in stream_yaml.DTYPES.items()}[formula.dtype])
    shards = list(split(found, width, config.shard_bytes))
    with Engine(formula) as engine:
        for name, shard in zip(_names(len(shards)), shards, strict=True):
            engine.write(part / name, shard)
    _index(part, shards, width)
    _to_disk(part, [path for path in part.iterdir() if path.suffix != ".safetensors"])
    part.rename(out)
    _to_disk(out.parent, [])
    sys.stdout.write(f"{out}: {len(found)} tensors of {len(formula.inputs)} models, {len(shards)} files\n")


def _check_processor(found: Sequence[Tensor], formula: stream_yaml.Formula, processor: Path) -> None:
    """Refuse weights whose products round where torch does not round them in one with the sum, or may not."""
    if formula.base is not None:
        return
    kinds = [
        {piece.sources[k].dtype for tensor in found for piece in tensor.pieces} for k in range(len(formula.models))
    ]
    if all(exact(kind, weight) for weight, own in zip(formula.weights, kinds, strict=True) for kind in own):
        return
    flags = set(processor.read_text(encoding="utf-8", errors="replace").split()) if processor.is_file() else set()
    if not {"avx2", "fma"} <= flags:
        raise FileError("weights other than powers of two need a processor with AVX2 and FMA here: let mergekit merge")


def _names(count: int) -> list[str]:
    if count == 1:
        return ["model.safetensors"]
    return [f"model-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]


def _index(folder: Path, shards: Sequence[Sequence[Tensor]], width: int) -> None:
    if len(shards) == 1:
        return
    weight_map = {
        tensor.name: name for name, shard in zip(_names(len(shards)), shards, strict=True) for tensor in shard
    }
    total = sum(tensor.size for shard in shards for tensor in shard) * width
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def _small_files(donor: Path, folder: Path, dtype: str) -> None:
    """Config, tokenizer, template and generation settings of `donor`, the config with the weights' dtype."""
    config = {key: value for key, value in read_json(donor / "config.json").items() if key != "torch_dtype"}
    text = json.dumps(config | {"dtype": dtype}, indent=2, sort_keys=True) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    if not (donor / "tokenizer_config.json").is_file() or not any((donor / name).is_file() for name in _TOKENIZERS):
        raise FileError(
            f"{donor} has no tokenizer_config.json with a tokenizer: a merge takes its tokenizer from there"
        )
    for name in _COPIED:
        if (donor / name).is_file():
            shutil.copyfile(donor / name, folder / name)


def _to_disk(folder: Path, files: Sequence[Path]) -> None:
    """See these files and the folder's entries to the disk."""
    for path in (*files, folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
