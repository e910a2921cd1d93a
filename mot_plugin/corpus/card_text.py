"""Pieces of Markdown that the sections of a data card are put together from."""

from collections.abc import Mapping, Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table; every row as long as the header."""
    grid = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in grid]


def file_list(found: Sequence[Mapping[str, str]]) -> list[str]:
    """Files by name and content: {"name", "sha256"} each."""
    return [f"* {code(file['name'])}, SHA-256 `{file['sha256']}`" for file in found]


def code(text: object) -> str:
    """A name as it is written, whatever it holds."""
    return f"`{' '.join(str(text).split()).replace('`', chr(39))}`"


def last_part(name: str) -> str:
    """Of a path the last part, for it says where a machine has its files; any other name as it is."""
    return name.rstrip("/").rpartition("/")[2] if name.startswith(("/", ".", "~")) else name


def listed(names: Sequence[str]) -> str:
    """`a, b and c`; there is at least one."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
