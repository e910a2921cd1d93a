"""YAML written by people, read strictly: every finding at once, each with line, dotted path and suggestion."""

import difflib
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mot_plugin.errors import FileError

Key = tuple[str | int, ...]
Finding = tuple[int, Key, str]
"""Line, dotted path, what is wrong there."""
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A parsed file: its data, for every dotted path the line (1-based) where it stands, and the keys given twice."""

    file: str
    data: Any
    lines: dict[Key, int]
    twice: tuple[Finding, ...] = ()

    def line(self, key: Key) -> int:
        """The line of `key`, or of the nearest thing around it that the file does have."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's idea of booleans and floats: `no` is a word, `1e-5` is a number (PyYAML follows 1.1 in both). No aliases."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's own class attribute)
        first: [
            (tag, regex) for tag, regex in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "write the value out: aliases are not read here", mark)
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?$"),
    list("-+.0123456789"),
)


def read(path: Path) -> Document:
    """Parse one YAML file. Raises FileError for a missing file, broken YAML or a key given twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except (IsADirectoryError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: not a text file ({error})") from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Document:
    """Parse YAML text; `file` is its name in messages."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        lines: dict[Key, int] = {}
        twice: list[Finding] = []
        data = _build(loader, root, (), lines, twice) if root is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise FileError(f"{file} is not valid YAML\n  {where}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError of datetime's
        raise FileError(f"{file} is not valid YAML\n  {error}") from None
    return Document(file, data, lines, tuple(twice))


def _build(loader: yaml.SafeLoader, node: yaml.Node, key: Key, lines: dict[Key, int], twice: list[Finding]) -> Any:
    lines.setdefault(key, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name = str(key_node.value)  # as it is written: a teacher may be called 1e3 or true
            line = key_node.start_mark.line + 1
            if name in mapping:
                twice.append((line, (*key, name), f"given twice, first on line {lines[(*key, name)]}"))
            lines[(*key, name)] = line
            mapping[name] = _build(loader, value_node, (*key, name), lines, twice)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, item, (*key, index), lines, twice) for index, item in enumerate(node.value)]
    return loader.construct_object(node, deep=True)


def validate(model: type[Model], document: Document, more: Callable[[Document], Iterable[Finding]]) -> Model:
    """The document as `model`. `more` finds what a schema cannot say. Raises one FileError that lists everything."""
    found = [*document.twice, *more(document)]
    try:
        checked = model.model_validate(document.data)
    except ValidationError as error:
        found += _findings(model, document, error.errors())
    if found:
        listed = sorted(dict.fromkeys(found), key=lambda finding: finding[0])
        raise FileError(
            "\n".join([_headline(document.file, len(listed)), *(_finding(*one) for one in listed)])
        ) from None
    return checked


def suggest(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` when one of the known words is close, else nothing."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f", did you mean '{close[0]}'?" if close else ""


def _headline(file: str, count: int) -> str:
    return f"{file} has {count} error{'s' if count != 1 else ''}"


def _finding(line: int, key: Key, message: str) -> str:
    dotted = ".".join(str(part) for part in key) or "(the whole file)"
    return f"  line {line:<4} {dotted}: {message}"


def _findings(model: type[BaseModel], document: Document, errors: list[ErrorDetails]) -> Iterator[tuple[int, Key, str]]:
    wanted: dict[Key, tuple[list[str], Any]] = {}
    for error in errors:
        key: Key = tuple(part for part in error["loc"] if part != "[key]")
        kind, given = error["type"], error["input"]
        if kind == "extra_forbidden":
            yield document.line(key), key, "unknown key" + suggest(str(key[-1]), _fields_at(model, key[:-1]))
        elif kind == "missing":
            yield document.line(key), key, "missing"
        elif kind in ("value_error", "assertion_error"):
            yield document.line(key), key, error["msg"].split(", ", 1)[1]
        else:
            while key and key not in document.lines:  # pydantic adds the name of each type that was tried
                key = key[:-1]
            said = _WORDS[kind].format(**error.get("ctx", {})) if kind in _WORDS else error["msg"]
            wanted.setdefault(key, ([], given))[0].append(said[0].lower() + said[1:])
    for key, (ways, given) in wanted.items():
        first, *others = dict.fromkeys(ways)
        either = " or ".join([first, *(other.removeprefix("must be ") for other in others)])
        yield document.line(key), key, f"{either}, got {given!r}"


_WORDS = {
    "greater_than_equal": "must be at least {ge}",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "dict_type": "must be a block of keys",
    "model_type": "must be a block of keys",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must be letters, digits, '.', '_' or '-', and start with a letter or digit",
    "too_short": "needs at least {min_length}",
    "string_too_short": "must not be empty",
}
"""pydantic's error types in our words; the others keep its own."""


def _fields_at(model: Any, key: Key) -> list[str]:
    """The keys that a file may have at `key`: follow the annotations down from `model`."""
    for part in key:
        for candidate in _models_in(model):
            field = candidate.model_fields.get(str(part))
            if field is not None:
                model = field.annotation
                break
        else:
            mapping = next((a for a in _flatten(model) if typing.get_origin(a) is dict), None)
            if mapping is None:
                return []
            model = typing.get_args(mapping)[1]
    return [name for candidate in _models_in(model) for name in candidate.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    return [a for a in _flatten(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]


def _flatten(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [leaf for part in typing.get_args(annotation) for leaf in _flatten(part)]
    if typing.get_origin(annotation) is typing.Annotated:
        return _flatten(typing.get_args(annotation)[0])
    return [annotation]
