"""Safetensors headers without torch: which tensors a checkpoint holds and where, checked before any is read.

Format: https://github.com/huggingface/safetensors#format. A file is an 8-byte little-endian length, that much JSON with
every tensor's dtype, shape and place, then all bytes without gaps.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.folder import read_json

FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""numpy's name of each float; it has no bfloat16, so that comes as its bits in 16-bit integers."""

_OTHERS = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1"}
NUMPY = {**FLOATS, **_OTHERS, "BOOL": "|b1"}

_HEADER_LIMIT = 100_000_000  # bytes; the format's own limit


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor lies: `dtype` as safetensors names it, `offsets` [begin, end) in bytes of the file."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    offsets: tuple[int, int]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def read_shards(index: Path) -> dict[str, TensorInfo]:
    """The tensors of all files that an index names, in its order. Raises CheckFailed where index and files disagree."""
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(file, str) for file in named.values()):
        raise CheckFailed(f"{index}: has no weight_map of tensor names to files")
    shards = sorted(set(named.values()))
    absent = [shard for shard in shards if not (index.parent / shard).is_file()]
    if absent:
        raise CheckFailed(f"{index}: names {', '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not there")
    held = {shard: read_header(index.parent / shard) for shard in shards}
    for name, shard in named.items():
        if name not in held[shard]:
            raise CheckFailed(f"{index}: says that {name} is in {shard}, but it is not")
    for shard, tensors in held.items():
        astray = [name for name in tensors if named.get(name) != shard]
        if astray:
            raise CheckFailed(f"{index}: does not say that {astray[0]} is in {shard}, but it is")
    return {name: held[shard][name] for name, shard in named.items()}


def read_header(file: Path) -> dict[str, TensorInfo]:
    """The tensors of one safetensors file, which they must fill exactly. Raises CheckFailed, with the file, if not."""
    total = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if total < 8 or length > min(total - 8, _HEADER_LIMIT):
            raise CheckFailed(f"{file}: cut short or not safetensors ({total} bytes, no complete header)")
        text = stream.read(length)
    try:
        entries = {name: entry for name, entry in json.loads(text).items() if name != "__metadata__"}
        found = {name: _entry(file, entry, 8 + length) for name, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckFailed(f"{file}: corrupt header ({type(error).__name__}: {error})") from None
    end = 8 + length
    for name, info in sorted(found.items(), key=lambda item: item[1].offsets):
        expected = info.size * int(NUMPY[info.dtype][2:])
        if not info.size:
            raise CheckFailed(f"{file}: {name} is empty, shape {list(info.shape)}: saved while partitioned")
        if info.offsets != (end, end + expected):
            raise CheckFailed(f"{file}: {name} should take bytes {end} to {end + expected}, has {info.offsets}")
        end += expected
    if end != total:
        what = f"cut short, {end - total} bytes are missing" if end > total else f"{total - end} bytes too many"
        raise CheckFailed(f"{file}: {what} ({total} of {end} bytes): it was not written to its end")
    return found


def _entry(file: Path, entry: dict[str, Any], base: int) -> TensorInfo:
    begin, end = entry["data_offsets"]
    if entry["dtype"] not in NUMPY:
        raise CheckFailed(f"{file}: dtype {entry['dtype']} cannot be read here; use BF16 or F32 weights")
    if not all(isinstance(number, int) and number >= 0 for number in (*entry["shape"], begin, end)):
        raise ValueError("shapes and offsets must be whole numbers")
    return TensorInfo(file, entry["dtype"], tuple(entry["shape"]), (base + begin, base + end))


def per_expert(tensors: dict[str, TensorInfo]) -> dict[str, TensorInfo]:
    """Split `*.experts.gate_up_proj` (experts, 2 inner, hidden) and `*.experts.down_proj` by expert and projection."""
    split: dict[str, TensorInfo] = {}
    for name, info in tensors.items():
        prefix, _, kind = name.rpartition(".")
        parts = {"gate_up_proj": ("gate_proj", "up_proj"), "down_proj": ("down_proj",)}.get(kind, ())
        if not prefix.endswith(".experts") or len(info.shape) != 3 or not parts or info.shape[1] % len(parts):
            split[name] = info
            continue
        experts, rows, columns = info.shape
        shape = (rows // len(parts), columns)
        names = (f"{prefix}.{expert}.{part}.weight" for expert in range(experts) for part in parts)
        step = (info.offsets[1] - info.offsets[0]) // (experts * len(parts))
        for place, single in enumerate(names):
            begin = info.offsets[0] + place * step
            split[single] = TensorInfo(info.file, info.dtype, shape, (begin, begin + step))
    return split
