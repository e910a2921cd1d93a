"""How many weights of a student LoRA trains, and how many bytes the ones it leaves alone take. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RANK = 8
"""LLaMA-Factory's own, where a recipe says none."""
QUANTIZED_EXTRA = 0.25
"""Bits of each weight for its share of its block's scale, rounded up: blocks of 64, the scales in 8 bits in blocks of 256."""


@dataclass(frozen=True)
class Adapter:
    """`trained` and `adapted` are numbers of weights: of the adapter itself, and of the matrices that it is added to."""

    trained: int
    adapted: int


def of_config(config: Mapping[str, Any], rank: int, targets: Sequence[str]) -> Adapter | None:
    """Of a dense decoder of the Llama, Qwen2 or Qwen3 kind; None for experts and for modules of other names.

    A matrix of in x out gets rank x (in + out) weights more. `targets` as LLaMA-Factory's `lora_target`: `all` are the linear
    ones of a layer; the head is none of them.
    """
    matrices = _matrices(config)
    wanted = list(matrices) if list(targets) == ["all"] else list(targets)
    if config.get("num_experts") or not set(wanted) <= matrices.keys():
        return None
    layers = int(config["num_hidden_layers"])
    return Adapter(
        layers * rank * sum(sum(matrices[name]) for name in wanted),
        layers * sum(inner * outer for inner, outer in matrices.values()),
    )


def frozen_bytes(adapter: Adapter, weights: int, width: int, bits: int | None) -> float:
    """Bytes of the student's own weights, of `width` bytes each; of the layers' matrices `bits` if quantised (bitsandbytes)."""
    if bits is None:
        return float(weights * width)
    quantized = (bits + (QUANTIZED_EXTRA if bits == 4 else 0)) / 8
    return (weights - adapter.adapted) * width + adapter.adapted * quantized


def _matrices(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Name -> (in, out) of one layer's linear modules."""
    hidden, inner, heads = (int(config[key]) for key in ("hidden_size", "intermediate_size", "num_attention_heads"))
    width = int(config.get("head_dim") or hidden // heads)
    values = width * int(config.get("num_key_value_heads") or heads)
    return {
        "q_proj": (hidden, width * heads),
        "k_proj": (hidden, values),
        "v_proj": (hidden, values),
        "o_proj": (width * heads, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }
