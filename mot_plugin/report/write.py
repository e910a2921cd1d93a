"""Step `report`: all scores and corpus summaries of a run as CSV, JSON, the paper's tables and a verdict."""

import csv
import dataclasses
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pydantic

from mot_plugin.errors import FileError
from mot_plugin.report import answer_rates, judged, markdown, merges, other_purposes, tables, verdict
from mot_plugin.report.board import Board
from mot_plugin.report.scores import Checkpoint, Method, Purpose, Score, from_tasks

# Outcomes per problem stay in each scores.json: a report is for reading.
COLUMNS = [field.name for field in dataclasses.fields(Score) if field.name not in ("chance", "hits", "doc_hashes")]


class Row(pydantic.BaseModel):
    """One evaluated model: which it is, its scores.json (which may be missing) and what identifies that evaluation."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    method: Method
    teacher: str | None = None
    round: int | None = None
    step: int | None = None
    purpose: Purpose = "main"
    share: float | None = None
    scores: str
    fingerprint: str

    @property
    def checkpoint(self) -> Checkpoint:
        """Its name in tables."""
        return Checkpoint(self.method, self.teacher, self.round, self.step, self.share)

    @property
    def name(self) -> str:
        """What no two rows share: the model, and what it was evaluated for where that is not the main comparison."""
        if self.purpose == "main":
            return self.checkpoint.name
        return f"{self.purpose} of {self.checkpoint.name}" + ("" if self.share is None else f" at {self.share}")


class Training(pydantic.BaseModel):
    """One training: what it trained, for `steps` optimizer steps, and where its log of losses is."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    method: Method
    teacher: str | None = None
    round: int | None = None
    steps: int
    step_name: str
    log: str
    merged: str | None = None
    """Of the last round: the probe loss of the model that it was merged into. Earlier ones start the next round."""


class Config(pydantic.BaseModel):
    """What to report, and from which files.

    `corpora` are paths of summary.json; `merges` folders of merge steps, by round; `tasks` orders the columns (empty:
    by name); `metric` is what is compared.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    recipe: str
    student: str
    source: str
    rows: list[Row]
    corpora: list[str]
    out: str
    teachers: list[str] = []
    seed: int = 0
    trainings: list[Training] = []
    merges: list[str] = []
    tasks: list[str] = []
    metric: str = "score"
    format: int = 1

    def below(self, root: Path) -> Self:
        """The same with paths that lead into a run folder from anywhere."""
        rows = [row.model_copy(update={"scores": str(root / row.scores)}) for row in self.rows]
        logs = [
            one.model_copy(update={"log": str(root / one.log), "merged": one.merged and str(root / one.merged)})
            for one in self.trainings
        ]
        lists = {
            "corpora": [str(root / path) for path in self.corpora],
            "merges": [str(root / path) for path in self.merges],
        }
        return self.model_copy(update={"rows": rows, "trainings": logs, "out": str(root / self.out), **lists})

    @pydantic.model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [row.name for row in self.rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rows given twice: {', '.join(twice)}")
        return self


@dataclasses.dataclass(frozen=True)
class Content:
    """What a report says, before it is written as anything. `tables` by the name of their file."""

    board: Board
    scores: tuple[Score, ...]
    tables: dict[str, tables.Table]
    said: tuple[str, ...]


def content(config: Config) -> Content:
    """Read what is there. Score and summary files that are not there are holes in the tables.

    Raises FileError for one that is there and cannot be read as such.
    """
    found = tuple(score for row in config.rows for score in _row_scores(row))
    in_metric = [score for score in found if score.metric == config.metric]
    board = Board(
        checkpoints=tuple(row.checkpoint for row in config.rows if row.purpose == "main"),
        tasks=tuple(config.tasks or sorted({score.task for score in found if score.purpose == "main"})),
        scores=tuple(score for score in in_metric if score.purpose == "main"),
    )
    # Corpora are shared between recipes; what their source is called is this recipe's word.
    summaries = [_named(_load(path), config.source) for path in config.corpora if Path(path).is_file()]
    lost = [path for path in config.corpora if not Path(path).is_file()]
    made = {
        "table1": tables.table1(board, config.student, config.source),
        "table2": tables.table2(board, config.source),
        "table10": tables.table10(summaries, lost),
        "table11": tables.table11(board),
    }
    made |= dict(other_purposes.general(config.student, config.source, config.teachers, in_metric))
    optional = {
        "probe": other_purposes.probe(in_metric),
        "comparisons": judged.comparisons(board),
        "choices": judged.choices(board),
        "answers": answer_rates.table(board, found),
    }
    made |= {name: table for name, table in optional.items() if table is not None}
    if (merged := merges.table(config.merges)) is not None:
        made["merges"] = merged
    return Content(board, found, made, tuple(verdict.sentences(board)))


def run(config: Config) -> None:
    """Write the report files into `out`. Raises FileError as `content` does."""
    write_down(config, content(config))


def write_down(config: Config, have: Content) -> None:
    """The files of a report."""
    rendered = {f"{name}.md": markdown.render(table) for name, table in have.tables.items()}
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    pictures = list(_pictures(config.merges, out))
    files = {
        **rendered,
        "verdict.md": "".join(f"{sentence}\n" for sentence in have.said),
        "report.md": _report(config, have.said, [*rendered.values(), *pictures]),
        "scores.csv": _csv(have.scores),
        "scores.json": _json(config, have.scores, have.board.missing(), have.said),
    }
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")


def render(report_dir: Path) -> str:
    """What to print at the end of a run: Table 2 and the verdict. Raises FileNotFoundError without a report."""
    texts = [(report_dir / name).read_text(encoding="utf-8") for name in ("table2.md", "verdict.md")]
    return "\n".join(texts)


def _row_scores(row: Row) -> list[Score]:
    path = Path(row.scores)
    if not path.is_file():
        return []
    try:
        return from_tasks(_load(row.scores)["tasks"], row.checkpoint, row.fingerprint, row.purpose)
    except (KeyError, TypeError) as error:
        raise FileError(f"{path}: not the scores.json of step `scores` ({error!r})") from error


def _pictures(folders: Sequence[str], out: Path) -> Iterator[str]:
    """Copies each merge's heat map beside the report and gives the Markdown that shows it."""
    for number, folder in enumerate(folders, 1):
        picture = Path(folder) / merges.PICTURE
        if picture.is_file():
            shutil.copyfile(picture, out / f"merge-round-{number}.svg")
            yield f"![Round {number}: consensus and cosines of the branches' updates](merge-round-{number}.svg)"


def _named(summary: dict[str, Any], source: str) -> dict[str, Any]:
    name = str(summary["name"]).removeprefix(str(summary["source"]).upper())
    return {**summary, "source": source, "name": source.upper() + name}


def _load(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileError(f"{path}: not JSON ({error})") from error


def _report(config: Config, said: Sequence[str], rendered: Iterable[str]) -> str:
    title = f"# {config.recipe}: {config.student} on {config.source}"
    spoken = "\n".join(f"* {sentence}" for sentence in said) or "* No scores yet."
    return "\n\n".join([title, spoken, *(text.rstrip("\n") for text in rendered)]) + "\n"


def _csv(scores: Sequence[Score]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_plain(score)[name] for name in COLUMNS] for score in scores)
    return text.getvalue()


def _json(config: Config, scores: Sequence[Score], missing: Sequence[str], said: Sequence[str]) -> str:
    content = {
        "recipe": config.recipe,
        "student": config.student,
        "source": config.source,
        "teachers": config.teachers,
        "seed": config.seed,
        "scores": [_plain(score) for score in scores],
        "missing": missing,
        "verdict": said,
    }
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _plain(score: Score) -> dict[str, Any]:
    return {name: getattr(score, name) for name in COLUMNS}
