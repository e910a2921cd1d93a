"""The data card of a corpus folder: README.md as the hub reads it, made from what the steps counted."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from mot_plugin.corpus import card_origin, card_rows, facts, folder
from mot_plugin.corpus.facts import About, Facts
from mot_plugin.store import replace_text

CARD = "README.md"
UNKNOWN = "unknown"

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.+_-]*")
_SECTIONS: dict[str, Callable[[Facts], list[str]]] = {
    "Source": card_origin.source,
    "Teachers": card_origin.teachers,
    "From samples to rows": card_rows.stages,
    "What counts as right": card_rows.rules,
    "Tokens": card_rows.tokens,
    "Benchmarks": card_origin.benchmarks,
    "Files": card_rows.files,
    "Training on it": card_rows.training,
    "Licence": card_origin.licences,
    "Citation": lambda _: card_rows.citation(),
}


def write(corpus: Path, about: About, root: Path = Path()) -> None:
    """Write the card of a finished corpus folder, or write it again after something got another name.

    Paths in `about` start at `root`. Raises MissingInput, or FileError where the folder is no corpus.
    """
    text = render(facts.read(corpus, about, root))
    card = corpus / CARD
    if not card.is_file() or card.read_text(encoding="utf-8") != text:
        replace_text(card, text)


def render(found: Facts) -> str:
    """The card's text: the same facts give the same bytes."""
    summary = found.summary
    whose = "each of several teachers" if found.union else f"the teacher {summary['teacher']}"
    parts = [
        "---",
        yaml.safe_dump(front_matter(found), sort_keys=False, allow_unicode=True).rstrip("\n"),
        "---",
        "",
        f"# {summary['name']}",
        "",
        f"{summary['kept']:,} rows to fine-tune a student on: problems of {summary['source']} with one trace, thought and answer, "
        f"of {whose}. Made with mot-plugin.",
        "",
        *card_origin.warnings(found),
    ]
    for title, section in _SECTIONS.items():
        parts += ["", f"## {title}", "", *section(found)]
    return "\n".join(parts) + "\n"


def front_matter(found: Facts) -> dict[str, Any]:
    """The block of metadata that the hub reads."""
    return {
        "pretty_name": found.summary["name"],
        **license_of(found.licenses.values()),
        **({"language": list(found.languages)} if found.languages else {}),
        "task_categories": ["text-generation"],
        "size_categories": [size(found.summary["kept"])],
        "tags": ["reasoning", "chain-of-thought", "distillation", "merge-of-thought", "mot-plugin"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": folder.ROWS}]}],
    }


def license_of(names: Iterable[str | None]) -> dict[str, Any]:
    """`license:` of the whole: all that its parts are under, or unknown if one of them is.

    A name that cannot be one of the hub's identifiers is `other`, with the name beside it.
    """
    given = list(names)
    if not all(given):
        return {"license": UNKNOWN}
    found = sorted({str(name).strip().lower() for name in given})
    strange = [name for name in found if not _IDENTIFIER.fullmatch(name)]
    if strange:
        return {"license": "other", "license_name": ", ".join(found)}
    return {"license": found[0] if len(found) == 1 else found}


def size(rows: int) -> str:
    """The hub's word for so many rows."""
    limits = [(10**power, name) for power, name in enumerate(("1K", "10K", "100K", "1M", "10M", "100M", "1B"), 3)]
    below = "n"
    for limit, name in limits:
        if rows < limit:
            return f"{below}<{name}" if below == "n" else f"{below}<n<{name}"
        below = name
    return f"n>{below}"
