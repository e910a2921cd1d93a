"""Is a model folder whole? Its small files, and every file that its index of weights names; nothing large is read."""

import json
from pathlib import Path


def whole(folder: Path) -> bool:
    """Whether config, tokenizer and all weights are there."""
    return all((folder / name).is_file() for name in ("config.json", "tokenizer.json")) and not lost(folder)


def lost(folder: Path) -> list[str]:
    """Names of weights that should be there and are not."""
    if (folder / "model.safetensors").is_file():
        return []
    try:
        named = json.loads((folder / "model.safetensors.index.json").read_bytes())["weight_map"].values()
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return ["model.safetensors"]
    return sorted({name for name in named if not (folder / str(name)).is_file()})
