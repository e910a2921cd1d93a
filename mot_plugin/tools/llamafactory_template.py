"""How LLaMA-Factory writes a training row under a template's name, read from its own source (0.9.5) without importing it."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PLACE = "data/template.py"
"""The file with its templates, in its package folder."""
CONTENT = "{{content}}"
PLAIN, REASONING, FUSED = "Template", "ReasoningTemplate", "Llama2Template"
"""Classes of templates; the last puts a system turn into the user's."""


@dataclass(frozen=True)
class Named:
    """A token by what it is called: `bos_token` and `eos_token` are the tokenizer's, any other is its own text."""

    token: str


Piece = str | Named
"""LLaMA-Factory tokenizes a row piece by piece."""


@dataclass(frozen=True)
class Template:
    """One template. `kind` is its class; of any but the three above nothing more is known than its name."""

    name: str
    kind: str
    prefix: tuple[Piece, ...]
    system: tuple[Piece, ...]
    user: tuple[Piece, ...]
    assistant: tuple[Piece, ...]
    default_system: str
    stop_words: tuple[str, ...]
    thought: tuple[str, str]

    @property
    def readable(self) -> bool:
        """Whether rows can be told from what is known."""
        return self.kind in (PLAIN, REASONING, FUSED)

    def prompt(self, user: str, system: str | None = None) -> tuple[Piece, ...]:
        """What stands before the first answer, masked in training."""
        said = self.default_system if system is None else system
        if self.kind == FUSED:
            first = _filled(self.system, said)[0] if said else ""
            return (*self.prefix, *_filled(self.user, f"{first if isinstance(first, str) else ''}{user}"))
        return (*self.prefix, *(_filled(self.system, said) if said else ()), *_filled(self.user, user))

    def answer(self, text: str, *, thinking: bool = True) -> tuple[Piece, ...]:
        """What follows the prompt. Without `thinking` a thought is taken out; one without a thought gets an empty one.

        Whether the empty one is trained on is another matter: only with `thinking` it is.
        """
        if self.kind != REASONING:
            return _filled(self.assistant, text)
        if not thinking:
            begin, end = map(re.escape, self.thought)
            text = re.sub(f"{begin}(.*?){end}", "", text, flags=re.DOTALL).lstrip("\n")
        empty = () if any(tag.strip() in text for tag in self.thought) else ("".join(self.thought),)
        return (*empty, *_filled(self.assistant, text))


def read(source: str) -> Mapping[str, Template]:
    """Every template of the file's text, by name. Raises SyntaxError for what is no Python."""
    return {one.name: one for one in _registered(ast.parse(source))}


def _registered(tree: ast.Module) -> Iterator[Template]:
    for node in tree.body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "register_template":
            said = {one.arg: one.value for one in call.keywords if one.arg}
            if (name := _value(said.get("name"))) is not None:
                yield _template(str(name), said)


def _template(name: str, said: Mapping[str, ast.expr]) -> Template:
    kind = said.get("template_class")
    efficient = _value(said.get("efficient_eos")) is True
    formats = {
        part: _slots(said.get(f"format_{part}"), default)
        for part, default in {
            "prefix": (),
            "system": (CONTENT,),
            "user": (CONTENT,),
            "assistant": (CONTENT,) if efficient else (CONTENT, Named("eos_token")),
        }.items()
    }
    known = all(slots is not None for slots in formats.values())
    thought = _value(said.get("thought_words")) or ("<think>\n", "\n</think>\n\n")
    return Template(
        name=name,
        kind=("" if not known else kind.id if isinstance(kind, ast.Name) else PLAIN),
        default_system=str(_value(said.get("default_system")) or ""),
        stop_words=tuple(_value(said.get("stop_words")) or ()),
        thought=(str(thought[0]), str(thought[1])),
        **{part: slots or () for part, slots in formats.items()},
    )


def _slots(formatter: ast.expr | None, default: tuple[Piece, ...]) -> tuple[Piece, ...] | None:
    """The pieces that a formatter is made with; None for one that is no literal."""
    if formatter is None:
        return default
    if not isinstance(formatter, ast.Call):
        return None
    written = next((one.value for one in formatter.keywords if one.arg == "slots"), None)
    slots = _value(written) if written is not None else None
    return tuple(map(_piece, slots)) if isinstance(slots, list) else None


def _piece(slot: Any) -> Piece:
    if isinstance(slot, str):
        return slot
    return Named(str(slot["token"]) if isinstance(slot, dict) else str(next(iter(slot))))


def _filled(slots: tuple[Piece, ...], content: str) -> tuple[Piece, ...]:
    filled = (slot.replace(CONTENT, content, 1) if isinstance(slot, str) else slot for slot in slots)
    return tuple(piece for piece in filled if piece != "")


def _value(node: ast.expr | None) -> Any:
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None
