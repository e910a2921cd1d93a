"""Some of a task's problems: what lm-eval calls in the place of the task's own loader where a shard asks only these.

lm-eval's --samples would do the same with numbers, but then the problems must be counted before lm-eval starts, 13,000 of
the numbers are longer than a command line's argument may be, and each is looked up in a list.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from mot_plugin.errors import FileError


def some(*, mot_loader: str, mot_split: str, mot_first: int, mot_every: int, **rest: Any) -> Mapping[str, Any]:
    """What `mot_loader` gives, with the rows mot_first, mot_first + mot_every, ... of the split that is asked.

    Raises FileError when there is no such row, or the loader cannot be imported by name; else what the loader raises.
    """
    loaded = dict(_function(mot_loader)(**rest))
    rows = loaded[mot_split]
    if mot_first >= len(rows):
        raise FileError(
            f"there are {len(rows)} problems, too few to share out among {mot_every} shards: lower eval.shards in the recipe"
        )
    loaded[mot_split] = rows.select(range(mot_first, len(rows), mot_every))
    return loaded


def _function(name: str) -> Callable[..., Mapping[str, Any]]:
    module, _, function = name.rpartition(".")
    try:
        found: Callable[..., Mapping[str, Any]] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError):
        raise FileError(
            f"{name} is not a function of a package, so its task cannot be shared out among shards by problems\n"
            "  put the loader into a package, or set eval.shards to 1"
        ) from None
    return found
