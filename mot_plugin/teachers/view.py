"""A row of somebody's data set, read by our names: what stands in its columns, and in words what is wrong there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mot_plugin.sources.references import of_value


class WrongRow(ValueError):
    """What is wrong with one row, in words."""


@dataclass(frozen=True)
class View:
    """One row. `names`: for each of our names the columns that may hold it, of which the first that has something counts.

    A column may also be a path into nested values, with points: "metadata.answer", "messages.0.info.answer".
    """

    row: Mapping[str, Any]
    names: Mapping[str, tuple[str, ...]]

    def has(self, name: str) -> bool:
        """Whether the row has such a column, be it empty."""
        return any(_found(self.row, column) for column in self.names.get(name, ()))

    def value(self, name: str) -> Any:
        """What is in the first column that is there and not empty; None if none is."""
        for column in self.names.get(name, ()):
            found = _found(self.row, column)
            if found and found[0] not in (None, ""):
                return found[0]
        return None

    def text(self, name: str) -> str | None:
        """A text, None if empty or not there. Raises WrongRow for anything else."""
        value = self.value(name)
        if value is not None and not isinstance(value, str):
            raise WrongRow(f"{self.called(name)} should be a text, got {value!r:.60}")
        return value

    def needed(self, name: str) -> str:
        """A text with something in it. Raises WrongRow without one."""
        text = self.text(name)
        if text is None or not text.strip():
            raise WrongRow(f"{self.called(name)} is {'empty' if self.has(name) else 'missing'}")
        return text

    def texts(self, name: str) -> list[str]:
        """A text or a list of texts as a list; what is empty is "". Raises WrongRow if it is not there or something else."""
        if not self.has(name):
            raise WrongRow(f"{self.called(name)} is missing")
        value = self.value(name)
        texts = ["" if text is None else text for text in (value if isinstance(value, list) else [value])]
        for text in texts:
            if not isinstance(text, str):
                raise WrongRow(f"{self.called(name)} should be a text or a list of texts, got {value!r:.60}")
        return texts

    def references(self) -> tuple[str, ...]:
        """What `sources.references` finds in `reference`, a text, a number or a list of them. Raises WrongRow for others."""
        value = self.value("reference")
        listed = [one for one in (value if isinstance(value, list) else [value]) if not _is_nothing(one)]
        for one in listed:
            if isinstance(one, bool) or not isinstance(one, str | int | float):
                called = self.called("reference")
                raise WrongRow(f"{called} should be a text, a number or a list of them, got {value!r:.60}")
        return of_value(listed).references

    def identity(self) -> str | None:
        """`id`, a text or a whole number; None if there is none. Raises WrongRow for anything else."""
        value = self.value("id")
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
            raise WrongRow(f"{self.called('id')} should be a text or a whole number, got {value!r:.60}")
        return None if value is None else str(value).strip() or None

    def called(self, name: str) -> str:
        """A column as messages name it: the data set's own word."""
        columns = self.names.get(name, ())
        return " or ".join(columns) if columns else name


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))  # tables write NaN for none


def _found(row: Mapping[str, Any], column: str) -> tuple[Any] | None:
    """What is in a column, in a tuple of its own; None if there is no such column. A name with points is tried whole first."""
    if column in row:
        return (row[column],)
    value: Any = row
    for part in column.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return (value,)
