"""A YAML file with one thing changed: every other byte, the comments too, stays as its author wrote it."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from mot_plugin import strict
from mot_plugin.errors import FileError

ABSENT = object()
"""The value that takes a key out."""
Path = tuple[str, ...]


def edit(text: str, changes: Sequence[tuple[Path, Any]]) -> str:
    """Set each key to its value, or take it out (ABSENT). The mappings around a key must be there.

    Raises FileError where the text does not come to say what it should: better no file than another experiment.
    """
    wanted = strict.parse(text, "the recipe").data
    for path, value in changes:
        wanted = _in_data(wanted, path, value)
        text = _in_text(text, path, value)
    if strict.parse(text, "the changed recipe").data != wanted:
        raise FileError(
            f"cannot change {', '.join('.'.join(path) for path, _ in changes)} in place: edit a copy by hand"
        )
    return text


def _in_data(data: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    key, *rest = path
    changed = dict(data)
    if rest:
        changed[key] = _in_data(data[key], tuple(rest), value)
    elif value is ABSENT:
        changed.pop(key, None)
    else:
        changed[key] = copy.deepcopy(value)
    return changed


def _in_text(text: str, path: Path, value: Any) -> str:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in path[:-1]:
        node = _entries(node)[key][1]
    entries = _entries(node)
    found = entries.get(path[-1])
    if value is ABSENT:
        return _cut(text, node, found) if found else text
    if found:
        first, last = found[1].start_mark.index, _end(found[1])
        return text[:first] + _flow(value) + text[last:]
    return _put(text, node, f"{_flow(path[-1])}: {_flow(value)}")


def _entries(node: Any) -> dict[str, tuple[Any, Any]]:
    return {str(key.value): (key, value) for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _cut(text: str, node: Any, entry: tuple[Any, Any]) -> str:
    """Without an entry: its lines, or its part of a mapping in braces."""
    spans = [_Span(key.start_mark.index, _end(value)) for key, value in node.value]
    number = next(index for index, (key, _) in enumerate(node.value) if key is entry[0])
    mine = spans[number]
    if not node.flow_style:
        return text[: text.rfind("\n", 0, mine.first) + 1] + text[_line_end(text, mine.last) :]
    if number + 1 < len(spans):
        return text[: mine.first] + text[spans[number + 1].first :]
    return text[: spans[number - 1].last if number else mine.first] + text[mine.last :]


def _put(text: str, node: Any, entry: str) -> str:
    """With an entry more, as the last one."""
    last = _end(node.value[-1][1]) if node.value else node.start_mark.index + 1
    if node.flow_style:
        return f"{text[:last]}{', ' if node.value else ''}{entry}{text[last:]}"
    at, indent = _line_end(text, last), " " * node.value[0][0].start_mark.column
    before = text[:at] if text[:at].endswith("\n") else f"{text[:at]}\n"
    return f"{before}{indent}{entry}\n{text[at:]}"


@dataclass(frozen=True)
class _Span:
    first: int
    last: int


def _end(node: Any) -> int:
    """Where a value's text ends. A block's own mark is where the next thing begins, comments and all."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, yaml.MappingNode) else last)
    return int(node.end_mark.index)


def _line_end(text: str, at: int) -> int:
    """Behind the line's end, a comment included."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _flow(value: Any) -> str:
    """On one line, as a person would write it."""
    dumped: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 30)
    return dumped.removesuffix("...\n").strip()
