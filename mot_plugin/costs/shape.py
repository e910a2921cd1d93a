"""How large a model is: parameters, those that work on each token, attention, bytes; from its config.json where there is one."""

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.costs.known import CONFIGS, STATED


@dataclass(frozen=True)
class Shape:
    """What the cost of a model depends on."""

    name: str
    parameters: float
    active: float
    """Parameters that multiply each token: of experts only those that are chosen, and of the embeddings only the head."""
    attention: float = 0.0
    """Layers x heads x width of a head."""
    stored: float = 0.0
    """Bytes of its weights as they lie on a disk; two for each parameter if not known."""
    experts: bool = False
    source: str = ""
    """Where this is from, if it is not certain."""

    @property
    def bytes(self) -> float:
        """Of its weights as they are distributed."""
        return self.stored or 2 * self.parameters


def of_config(name: str, config: Mapping[str, Any], stored: float = 0.0) -> Shape | None:
    """A decoder of the Llama, Qwen2, Qwen3 or Qwen3-MoE kind, counted tensor by tensor; None for what lacks their keys."""
    try:
        hidden, layers, heads = (config[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads"))
        vocabulary, inner = config["vocab_size"], config["intermediate_size"]
    except KeyError:
        return None
    width = config.get("head_dim") or hidden // heads
    keys = config.get("num_key_value_heads") or heads
    experts = config.get("num_experts") or 0
    attention = 2 * hidden * width * (heads + keys)
    small = 2 * hidden
    if str(config.get("model_type", "")).startswith("qwen3"):
        small += 2 * width  # norms of queries and keys
    if config.get("model_type") == "qwen2":
        small += width * (heads + 2 * keys)  # biases
    expert = 3 * hidden * (config.get("moe_intermediate_size") or inner)
    mlp = experts * expert + hidden * experts if experts else 3 * hidden * inner
    used = config.get("num_experts_per_tok", 0) * expert + hidden * experts if experts else mlp
    embedding = vocabulary * hidden
    return Shape(
        name,
        layers * (attention + mlp + small) + hidden + embedding * (1 if config.get("tie_word_embeddings") else 2),
        layers * (attention + used) + embedding,
        layers * heads * width,
        stored,
        bool(experts),
    )


def of_name(name: str) -> Shape | None:
    """A model of the hub that is known here, or what the sizes in its name say (`8B`, `30B-A3B`); None if it says nothing."""
    plain = name.partition("@")[0]
    short = plain.rpartition("/")[2].lower()
    if short in STATED:
        return Shape(plain, **STATED[short])
    if short in CONFIGS:
        return of_config(plain, CONFIGS[short])
    # Of a run's name, too: qwen3-14b-boba200.
    near = max(
        (known for known in CONFIGS if re.search(rf"{re.escape(known)}(?![a-z0-9.])", short)), key=len, default=""
    )
    if near:
        return of_config(plain, CONFIGS[near])
    found = re.search(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)b(?:-a(\d+(?:\.\d+)?)b)?(?![a-z0-9])", short)
    if found is None:
        return None
    whole, active = float(found[1]) * 1e9, float(found[2] or found[1]) * 1e9
    return Shape(plain, whole, active, experts=found[2] is not None, source=f"the size of {plain} is from its name")


def of_folder(name: str, folder: Path) -> Shape | None:
    """A local model: what its config.json says, else the tensors in its files; None if neither says anything."""
    counted = [_tensors(file) for file in sorted(folder.glob("*.safetensors"))]
    parameters, stored = (sum(numbers) for numbers in zip(*counted, strict=True)) if counted else (0, 0)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}
    found = of_config(name, config, stored) if isinstance(config, dict) else None
    if found is None and parameters:
        words = f"every weight of {name} works on every token: its config.json does not say more"
        return Shape(name, parameters, parameters, stored=stored, source=words)
    return found


def _tensors(file: Path) -> tuple[int, int]:
    """(parameters, bytes) of a safetensors file, by its header; of another file none."""
    try:
        with file.open("rb") as opened:
            length = struct.unpack("<Q", opened.read(8))[0]
            header = json.loads(opened.read(min(length, file.stat().st_size)))
    except (OSError, ValueError, struct.error):
        return 0, 0
    tensors = [entry for key, entry in header.items() if key != "__metadata__"]
    return (
        sum(math.prod(entry["shape"]) for entry in tensors),
        sum(entry["data_offsets"][1] - entry["data_offsets"][0] for entry in tensors),
    )


def assumed(name: str) -> Shape:
    """For a model of which nothing is known."""
    words = f"nothing is known of {name}: it is taken for a model of 8 billion parameters"
    return Shape(name, 8e9, 8e9, source=words)
