"""Tiny model folders, written byte by byte: no torch, no safetensors library."""

import json
import struct
from pathlib import Path

import numpy as np

Tensors = dict[str, np.ndarray]

_NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "uint16": "BF16", "int64": "I64"}


def write_safetensors(path: Path, tensors: Tensors) -> None:
    """uint16 arrays stand for bfloat16 bits."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, array in tensors.items():
        place = [offset, offset + array.nbytes]
        header[name] = {"dtype": _NAMES[array.dtype.name], "shape": list(array.shape), "data_offsets": place}
        offset += array.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in tensors.values()))


def write_shards(folder: Path, *shards: Tensors) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    weight_map = {}
    for number, tensors in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        write_safetensors(folder / name, tensors)
        weight_map |= dict.fromkeys(tensors, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def write_model(folder: Path, tensors: Tensors, **config: object) -> Path:
    """A whole model folder: weights, config, tokenizer, template, generation settings."""
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", tensors)
    plain = {
        "model_type": "qwen3",
        "tie_word_embeddings": True,
        "use_cache": True,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(plain | config))
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 0]}')
    model = {"type": "BPE", "vocab": {"!": 0, "a": 1, "b": 2, "ab": 3}, "merges": [["a", "b"]]}
    (folder / "tokenizer.json").write_text(json.dumps({"model": model, "added_tokens": [], "normalizer": None}))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "b"}')
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


def write_training(folder: Path, steps: int, **last: object) -> None:
    """trainer_state.json as the Trainer leaves it with logging_steps 1; `last` replaces values of the last step."""
    rows = [{"step": n, "loss": 2.0 - n / 1000, "grad_norm": 1.5, "learning_rate": 1e-5} for n in range(1, steps + 1)]
    rows[-1] |= last
    summary = {"step": steps, "train_loss": 1.9, "train_runtime": 1.0}
    state = {"global_step": steps, "max_steps": steps, "log_history": [*rows, summary]}
    (folder / "trainer_state.json").write_text(json.dumps(state))


def random_tensors(seed: int, dtype: str = "F32") -> Tensors:
    """Three tensors of a model; in BF16 as bits, so that every value is exactly representable."""
    draw = np.random.default_rng(seed)
    shapes = {
        "model.embed_tokens.weight": (16, 8),
        "model.layers.0.mlp.up_proj.weight": (8, 8),
        "model.norm.weight": (8,),
    }
    found = {name: draw.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    if dtype == "BF16":
        return {name: (array.view(np.uint32) >> 16).astype(np.uint16) for name, array in found.items()}
    return found
