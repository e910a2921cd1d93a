"""Step `probe-rows`: the fixed rows on which the probe loss is measured, drawn from a corpus once for a whole run."""

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.chance import shuffled
from mot_plugin.corpus import folder

ROWS = "probe.jsonl"


class Config(BaseModel):
    """`rows` of the `corpus`, drawn by `seed`; all of them if it has fewer. `dataset`: their name for LLaMA-Factory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpus: str
    dataset: str
    seed: int
    rows: int = Field(gt=0)
    out: str
    format: int = 1


def run(config: Config) -> None:
    """Write `probe.jsonl` and `dataset_info.json`. Raises MissingInput without a corpus, CheckFailed for an empty one."""
    corpus = folder.rows(Path(config.corpus))
    chosen = sorted(shuffled(len(corpus), config.seed, "probe-loss")[: config.rows])
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / ROWS).write_bytes(b"".join(corpus[index] + b"\n" for index in chosen))
    folder.write_dataset_info(out, config.dataset, ROWS)
    sys.stdout.write(f"{len(chosen)} of {len(corpus)} rows of {config.dataset}\n")
