"""The tests of a LiveCodeBench row: public ones as JSON, hidden ones as JSON or as base64 of a zlib stream of a pickle.

The pickle is read and never run: of its few hundred instructions only those that spell one text are known here, so a
row cannot make this process import, build or call anything.
"""

import base64
import binascii
import hashlib
import json
import pickletools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mot_plugin.errors import FileError

LARGEST = 1 << 30  # bytes of one problem's hidden tests when unpacked
_TEXT = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}
_FRAME = {"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"}


@dataclass(frozen=True)
class Case:
    """What a program is given, and what it should answer: standard input and output, or arguments and result as JSON."""

    given: str
    expected: str


@dataclass(frozen=True)
class Cases:
    """All tests of a problem, public ones first. `function` is what they call; None: whole programs on standard input."""

    function: str | None
    cases: tuple[Case, ...]

    @property
    def digest(self) -> str:
        """32 hex digits of what is tested; however the row was packed, the same tests have the same digest."""
        sha = hashlib.sha256(json.dumps(self.function).encode())
        for case in self.cases:
            for text in (case.given, case.expected):
                written = text.encode("utf-8", "surrogatepass")
                sha.update(b"%d:" % len(written) + written)
        return sha.hexdigest()[:32]


def cases_of(row: Mapping[str, Any], where: str, largest: int = LARGEST) -> Cases:
    """The tests of a row of code_generation_lite (fields public_test_cases, private_test_cases, metadata).

    Raises FileError naming `where` for anything that is not such tests, or unpacks to more than `largest` bytes.
    """
    public = _listed(_json(row, "public_test_cases", where), "public_test_cases", where)
    packed = row.get("private_test_cases")
    if not isinstance(packed, str):
        raise FileError(f"{where}: private_test_cases is not a text but {packed!r:.40}")
    text = packed if packed.lstrip().startswith("[") else unpack(packed, where, largest)
    hidden = _listed(_parsed(text, "private_test_cases", where), "private_test_cases", where)
    metadata = _json(row, "metadata", where)
    function = metadata.get("func_name") if isinstance(metadata, dict) else None
    if function is not None and not (isinstance(function, str) and function.isidentifier()):
        raise FileError(f"{where}: func_name in its metadata is not a name but {function!r:.40}")
    if not public + hidden:
        raise FileError(f"{where}: a problem without tests")
    return Cases(function, tuple(public + hidden))


def unpack(packed: str, where: str, largest: int = LARGEST) -> str:
    """The one text in base64 of a zlib stream of a pickle. Raises FileError for whatever else it holds or is."""
    inflate = zlib.decompressobj()
    try:
        pickled = inflate.decompress(base64.b64decode(packed), largest)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise FileError(f"{where}: its hidden tests are neither JSON nor base64 of a zlib stream ({error})") from None
    if inflate.unconsumed_tail:
        raise FileError(f"{where}: its hidden tests unpack to more than {largest:,} bytes; that is no test")
    if not inflate.eof:
        raise FileError(f"{where}: its hidden tests are cut off; fetch the file again")
    return _spelled(pickled, where)


def _spelled(pickled: bytes, where: str) -> str:
    texts: list[str] = []
    try:
        for instruction, argument, _ in pickletools.genops(pickled):
            if instruction.name in _TEXT:
                texts.append(str(argument))
            elif instruction.name not in _FRAME:
                raise FileError(
                    f"{where}: its hidden tests are a pickle with the instruction {instruction.name}, not of one text\n"
                    "  it could run code when loaded; get the file from its publisher again"
                )
    except ValueError as error:
        raise FileError(f"{where}: its hidden tests are not a pickle ({error})") from None
    if len(texts) != 1:
        raise FileError(f"{where}: its hidden tests are a pickle of {len(texts)} texts, not of one")
    return texts[0]


def _json(row: Mapping[str, Any], field: str, where: str) -> Any:
    """The content of a field that holds JSON as text; some copies hold it parsed."""
    value = row.get(field)
    if value is None:
        raise FileError(f"{where}: no {field}, only {', '.join(sorted(row))}")
    return _parsed(value, field, where) if isinstance(value, str) else value


def _parsed(text: str, field: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{where}: {field} is not JSON ({error})") from None


def _listed(content: Any, field: str, where: str) -> list[Case]:
    if not isinstance(content, list):
        raise FileError(f"{where}: {field} is not a list of tests")
    found = []
    for number, case in enumerate(content, 1):
        given, expected = (case.get("input"), case.get("output")) if isinstance(case, dict) else (None, None)
        if not (isinstance(given, str) and isinstance(expected, str)):
            raise FileError(f"{where}: test {number} of {field} has no texts `input` and `output`")
        found.append(Case(given, expected))
    return found
