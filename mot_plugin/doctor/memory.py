"""How much memory a training takes, from the student's config.json: a sum of stated parts, not measured. Pure.

Weights, gradients and Adam's two moments lie as DeepSpeed or DDP lay them; of activations only each layer's input is kept
(gradient checkpointing, LLaMA-Factory's default), and one layer's own are made again. Logits are rows of the vocabulary: bfloat16,
a float32 copy, its gradient and that in bfloat16, unless Liger's kernel makes them in pieces.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GIB = 2**30
OWN_BYTES = {True: 3 * GIB, False: GIB}
"""On a GPU: CUDA, its kernels, communication buffers, what the allocator cannot use. On a processor: the trainer itself."""
GATHERED = 2 * 10**9
"""ZeRO-3 has so many bytes of weights whole at a time: its own limit of 1e9 in bfloat16."""
LAYOUTS = {
    "": (16, 0, 0),
    "zero2": (2, 14, 0),
    "zero3": (0, 16, 0),
    "zero3-offload": (0, 4, 12),
    "full_shard": (0, 16, 0),
    "shard_grad_op": (2, 16, 0),
    "full_shard-offload": (0, 0, 16),
}
"""How a place may shard a training -> bytes of each weight, its gradient and Adam's states: whole on every device, shared among
all devices, shared in the computers' memory. DDP trains float32 weights; DeepSpeed keeps such copies beside bfloat16 ones."""
WHOLE = ("zero2", "")
"""Nothing needs to be gathered there."""
LOGIT_BYTES = 12
LAYER_WIDTHS = 20
"""Activations of one layer while it is made again, in widths of the model: attention's and the feed-forward block's."""


@dataclass(frozen=True)
class Place:
    """How a training is spread; `sharding` is one of LAYOUTS."""

    processes: int = 1
    sharding: str = ""
    liger: bool = False
    rows: int = 1
    """Of a device at once."""
    tokens: int = 2048
    """Of a row, at most."""
    bf16: bool = True
    gpu: bool = True


@dataclass(frozen=True)
class Need:
    """Bytes of one process on its device, and of all processes of a computer in its own memory for what is offloaded."""

    states: float
    activations: float
    logits: float
    own: float
    offloaded: float

    @property
    def device(self) -> float:
        """All that must fit on one device."""
        return self.states + self.activations + self.logits + self.own

    @property
    def words(self) -> str:
        """The parts, for people."""
        parts = ("states", self.states), ("activations", self.activations), ("logits", self.logits), ("other", self.own)
        return ", ".join(f"{name} {size / GIB:.1f}" for name, size in parts if size >= 0.05 * GIB)


def training(config: Mapping[str, Any], weights: int, place: Place, frozen: float = 0.0) -> Need:
    """What training so many weights beside so many bytes of frozen ones takes. On a processor it is the computer's own memory."""
    whole, shared, hosted = LAYOUTS[place.sharding]
    states = weights * (whole + shared / place.processes)
    # Frozen ones lie as the trained ones do: whole, in shares, or in the computers' memory.
    states += frozen if whole else frozen / place.processes if shared else 0.0
    size = 2 if place.bf16 else 4
    tokens = place.rows * place.tokens
    hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    activations = tokens * hidden * size * (layers + LAYER_WIDTHS)
    logits = 0 if place.liger else tokens * int(config["vocab_size"]) * LOGIT_BYTES
    own = OWN_BYTES[place.gpu] + (0 if place.sharding in WHOLE else min(GATHERED, 2 * weights + frozen))
    return Need(states, activations, logits, own, hosted * weights + (0.0 if whole or shared else frozen))


def in_words(size: float) -> str:
    """Bytes for people."""
    return f"{size / GIB:,.1f} GiB" if size >= 0.1 * GIB else f"{size / 2**20:.0f} MiB"
