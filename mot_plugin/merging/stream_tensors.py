"""Which tensors a merge has, under which names and in which files: as mergekit names, orders and splits them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mot_plugin.errors import CheckFailed, FileError
from mot_plugin.merging.folder import read_json
from mot_plugin.merging.headers import TensorInfo
from mot_plugin.merging.layout import HEAD, some
from mot_plugin.merging.weights import Checkpoint

_EMBEDDING, _EXPERT = "model.embed_tokens.weight", re.compile(r"\.layers\.0\.mlp\.experts\.(\d+)\.gate_proj\.weight$")
_ATTENTION = tuple(f"self_attn.{part}_proj.weight" for part in "qkvo")
_NORMS = ("input_layernorm.weight", "post_attention_layernorm.weight")
_MLP = tuple(f"mlp.{part}_proj.weight" for part in ("gate", "up", "down"))
_LLAMA = (*_NORMS, *_ATTENTION, *_MLP)
_QUERY_NORMS = ("self_attn.q_norm.weight", "self_attn.k_norm.weight")
_EXPERTS = {"mlp.experts.gate_up_proj": ("gate_proj", "up_proj"), "mlp.experts.down_proj": ("down_proj",)}
LAYERS = {
    "LlamaForCausalLM": _LLAMA,
    "MistralForCausalLM": _LLAMA,
    "Qwen2ForCausalLM": (*_LLAMA, *(f"self_attn.{part}_proj.bias" for part in "qkv")),
    "Qwen3ForCausalLM": (*_LLAMA, *_QUERY_NORMS),
    "Qwen3MoeForCausalLM": (*_NORMS, *_ATTENTION, *_QUERY_NORMS, "mlp.gate.weight", *_EXPERTS),
}
"""The tensors of a layer by architecture, experts fused; mergekit merges these and no others."""


@dataclass(frozen=True)
class Piece:
    """A tensor that every input stores in one run of bytes: one place per input."""

    sources: tuple[TensorInfo, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.sources[0].size


@dataclass(frozen=True)
class Tensor:
    """A tensor of the result, the pieces one after the other: one piece, or all experts of a layer."""

    name: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def tensors(checkpoints: Sequence[Checkpoint], donor: Checkpoint) -> list[Tensor]:
    """The tensors of the merge in the order in which mergekit saves them: fused experts, then the others by name.

    Raises FileError for an architecture that is not taken, CheckFailed for inputs that lack tensors, have more or differ.
    """
    layers = _layer_names(checkpoints)
    experts = [int(match.group(1)) for name in donor.tensors if (match := _EXPERT.search(name))]
    count = read_json(donor.folder / "config.json").get("num_hidden_layers")
    if not isinstance(count, int) or count < 1:
        raise CheckFailed(f"{donor.folder}/config.json: num_hidden_layers is {count!r}")
    parts: dict[str, list[str]] = {_EMBEDDING: [_EMBEDDING], "model.norm.weight": ["model.norm.weight"]}
    if any(HEAD in checkpoint.tensors for checkpoint in checkpoints):
        parts[HEAD] = [HEAD]
    for layer in range(count):
        for kind in layers:
            name = f"model.layers.{layer}.{kind}"
            parts[name] = [name]
            if kind in _EXPERTS:
                prefix = f"model.layers.{layer}.mlp.experts"
                numbers = range(max(experts, default=0) + 1)
                parts[name] = [f"{prefix}.{number}.{part}.weight" for number in numbers for part in _EXPERTS[kind]]
    _check(checkpoints, parts)
    found = []
    for name, pieces in sorted(parts.items(), key=lambda item: (".experts." not in item[0], item[0])):
        made = [Piece(tuple(_source(checkpoint, piece) for checkpoint in checkpoints)) for piece in pieces]
        found.append(Tensor(name, _shape(name, made), tuple(made)))
    return found


def _layer_names(checkpoints: Sequence[Checkpoint]) -> tuple[str, ...]:
    kinds = {str(read_json(one.folder / "config.json").get("architectures")) for one in checkpoints}
    if len(kinds) > 1:
        raise CheckFailed(f"the inputs are of different architectures: {', '.join(sorted(kinds))}")
    (kind,) = kinds
    if kind[2:-2] not in LAYERS:
        raise FileError(f"architectures is {kind}: the stream engine takes {', '.join(LAYERS)}; mergekit takes more")
    return LAYERS[kind[2:-2]]


def _source(checkpoint: Checkpoint, name: str) -> TensorInfo:
    """Where the tensor lies; a tied output head that is not stored is the embedding."""
    return checkpoint.tensors[_EMBEDDING if name == HEAD and HEAD not in checkpoint.tensors else name]


def _check(checkpoints: Sequence[Checkpoint], parts: Mapping[str, list[str]]) -> None:
    wanted = {piece for pieces in parts.values() for piece in pieces}
    problems = []
    first = checkpoints[0]
    for one in checkpoints:
        missing, extra = wanted - one.tensors.keys() - {HEAD}, one.tensors.keys() - wanted
        if missing:
            problems.append(f"{some(sorted(missing))} required but not present in {one.folder}")
        if extra:
            problems.append(
                f"{some(sorted(extra))} in {one.folder} is no tensor of this architecture: it would be lost"
            )
        for name in sorted(wanted - missing):
            here, there = _source(one, name), _source(first, name) if name in first.tensors or name == HEAD else None
            if there and here.shape != there.shape:
                shapes = f"{list(here.shape)} in {one.folder}, {list(there.shape)} in {first.folder}"
                problems.append(f"Tensor size mismatch for {name}: {shapes}")
    if problems:
        raise CheckFailed("\n".join(["these models cannot be merged", *problems]))


def _shape(name: str, pieces: Sequence[Piece]) -> tuple[int, ...]:
    rows, *others = pieces[0].sources[0].shape
    kind = name.partition("mlp.")[2]
    if f"mlp.{kind}" not in _EXPERTS:
        return pieces[0].sources[0].shape
    each = len(_EXPERTS[f"mlp.{kind}"])
    return (len(pieces) // each, each * rows, *others)


def split(found: Sequence[Tensor], width: int, limit: int) -> Iterator[list[Tensor]]:
    """The tensors of each file, in the order given: a file is full when the next tensor would exceed `limit` bytes.

    A limit of 0 is none. `width` is bytes per element.
    """
    shard: list[Tensor] = []
    total = 0
    for tensor in found:
        if shard and limit > 0 and total + tensor.size * width > limit:
            yield shard
            shard, total = [], 0
        shard.append(tensor)
        total += tensor.size * width
    yield shard


def header(shard: Sequence[Tensor], dtype: str, width: int) -> tuple[bytes, list[Tensor]]:
    """The head of a safetensors file, byte for byte as the safetensors library writes it, and the tensors in file order."""
    ordered = sorted(shard, key=lambda tensor: tensor.name)
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in ordered:
        end = offset + tensor.size * width
        entries[tensor.name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, ordered
