"""Do two tokenizer.json turn text into the same ids? Library versions write one tokenizer in different words."""

from pathlib import Path
from typing import Any

from mot_plugin.merging.folder import read_json

# What turns text into ids. The rest of the file is padding, decoding and the version that wrote it.
_PARTS = ("model", "added_tokens", "normalizer", "pre_tokenizer")
_NO_MATTER = ("trim_offsets", "special")  # about positions in the text, and about decoding


def differing_parts(one: Path, other: Path) -> list[str]:
    """The parts of two tokenizer.json files that give different ids, none for equal bytes or equal meaning.

    Transformers 5 writes a tokenizer.json from the hub anew when it saves the model: merges as pairs, absent keys as
    empty ones. Raises CheckFailed for a file that is absent or no JSON.
    """
    if one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes():
        return []
    first, second = read_json(one), read_json(other)
    return [part for part in _PARTS if _plain(first.get(part)) != _plain(second.get(part))]


def _plain(part: Any) -> Any:
    if isinstance(part, dict):
        named = {key: _plain(value) for key, value in part.items() if key not in _NO_MATTER}
        return {key: value for key, value in named.items() if value is not None and value is not False and value != ""}
    if isinstance(part, list):
        merge = len(part) == 2 and all(isinstance(item, str) for item in part)
        return " ".join(part) if merge else [_plain(item) for item in part]
    return part
