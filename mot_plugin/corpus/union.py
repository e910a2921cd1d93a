"""Step `union`: the corpora of all teachers as one (paper, sec. 4.1: MTD)."""

from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.corpus import card, folder
from mot_plugin.corpus.facts import About
from mot_plugin.errors import FileError


class Config(BaseModel):
    """`corpora`: the corpus folder of each teacher. `name` is that of the dataset for LLaMA-Factory, `about` for the card."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpora: dict[str, str] = Field(min_length=1)
    source_name: str
    name: str = "union"
    about: About = About()
    out: str
    format: int = 1


def run(config: Config) -> None:
    """Write the union's corpus folder, rows by prompt id and then teacher.

    Counts are summed, so `prompts` and `kept` count a prompt once for every teacher, as the paper's Table 10 does.
    Raises MissingInput, or FileError where a folder is not that teacher's corpus.
    """
    rows: list[folder.Row] = []
    summaries = {}
    for teacher, path in sorted(config.corpora.items()):
        found, summary = folder.read(Path(path))
        if summary["teacher"] != teacher:
            raise FileError(f"corpora.{teacher}: {path} is the corpus of {summary['teacher']}")
        rows += found
        summaries[teacher] = summary
    rows.sort(key=lambda row: (row.id, row.teacher))
    summary = {
        "name": f"{config.source_name}-MTD".upper(),
        "source": config.source_name,
        "teacher": "ALL TEACHERS",
        **{key: sum(one[key] for one in summaries.values()) for key in ("prompts", "samples", "kept")},
        **{key: _summed([one[key] for one in summaries.values()]) for key in ("dropped", "verdicts")},
        "too_long_samples": sum(one["too_long_samples"] for one in summaries.values()),
        "tokens": folder.token_statistics(rows),
        "per_teacher": summaries,
    }
    folder.write(Path(config.out), config.name, rows, summary)
    card.write(Path(config.out), config.about)


def _summed(counts: list[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))
