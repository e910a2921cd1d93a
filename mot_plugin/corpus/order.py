"""Step `order`: the rows of one training, laid out in the order in which they are to be seen.

Left to itself the trainer ends every pass over a corpus with a short batch (195 rows in batches of 64: an update from
8 rows) and starts each round with the same order. Rows laid out here and read without shuffling make every batch full,
whatever the number of GPUs, and let a round go on where the last one stopped: the MoT rounds of a teacher together see
what its STD run sees.
"""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mot_plugin.chance import shuffled
from mot_plugin.corpus import folder

ROWS = "train.jsonl"


class Config(BaseModel):
    """`dataset`: its name for LLaMA-Factory. `stream` (a teacher) and `seed` fix the order.

    `first_row` and `rows` say which part of the endless stream: for round r, (r - 1) * steps * batch and steps * batch.
    `rows: null` copies the corpus as it is, for a trainer that shuffles itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpus: str
    dataset: str
    seed: int
    stream: str
    first_row: int = Field(default=0, ge=0)
    rows: int | None = Field(default=None, gt=0)
    out: str
    format: int = 1

    @model_validator(mode="after")
    def _whole_has_no_start(self) -> Self:
        if self.rows is None and self.first_row:
            raise ValueError("first_row needs rows: null rows are the whole corpus")
        return self


def row_stream(n_rows: int, seed: int, stream: str) -> Iterator[int]:
    """Endless row indices: pass after pass over 0 to `n_rows` - 1, each in an order of its own."""
    if n_rows < 1:
        raise ValueError("a stream needs at least one row")
    for epoch in count():
        yield from shuffled(n_rows, seed, stream, epoch)


def run(config: Config) -> None:
    """Write `train.jsonl` and `dataset_info.json`. Raises MissingInput without a corpus, CheckFailed for an empty one."""
    corpus = folder.rows(Path(config.corpus))
    chosen: Iterator[int] = iter(range(len(corpus)))
    if config.rows is not None:
        stream = row_stream(len(corpus), config.seed, config.stream)
        chosen = islice(stream, config.first_row, config.first_row + config.rows)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    with (out / ROWS).open("wb") as file:
        file.writelines(corpus[index] + b"\n" for index in chosen)
    folder.write_dataset_info(out, config.dataset, ROWS)
