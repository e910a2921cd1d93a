"""YAML of a plan's files, each part written and read once: PyYAML takes milliseconds, and there are thousands of files."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import yaml


def dump(data: Mapping[str, Any]) -> str:
    """A mapping in its own order; its entries are written one by one, and most of them are the same in every file."""
    return "".join(_entry(key, json.dumps(value, ensure_ascii=False)) for key, value in data.items())


@functools.cache
def _entry(key: str, value: str) -> str:
    return str(yaml.safe_dump({key: json.loads(value)}, sort_keys=False, allow_unicode=True, width=120))


@functools.lru_cache(maxsize=1024)
def parsed(text: str) -> Any:
    """What a text says, to be read only. Raises yaml.YAMLError."""
    return yaml.safe_load(text)
