"""What the NVIDIA driver says of the GPUs of this computer."""

from collections.abc import Mapping
from dataclasses import dataclass

from mot_plugin.doctor import outside

_QUERY = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
_MIB = 2**20


@dataclass(frozen=True)
class Card:
    """One GPU; sizes in bytes."""

    name: str
    total: int
    free: int


def cards(environ: Mapping[str, str]) -> tuple[Card, ...] | None:
    """The GPUs here; None where the driver cannot be asked."""
    said = outside.ask(_QUERY, environ)
    rows = [[word.strip() for word in line.split(",")] for line in said.text.strip().split("\n")]
    if said.wrong or not all(len(row) == 3 and row[1].isdigit() and row[2].isdigit() for row in rows):
        return None
    return tuple(Card(name, int(total) * _MIB, int(free) * _MIB) for name, total, free in rows)
