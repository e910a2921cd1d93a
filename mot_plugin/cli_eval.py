"""`mot-plugin compare`: two evaluated models side by side."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mot_plugin.errors import FileError
from mot_plugin.terminal import console

if TYPE_CHECKING:
    from rich.table import Table

    from mot_plugin.compare import Row

WHAT = "A scores.json, a folder with one, or an evaluation of a run: runs/quickstart/mot/round-1"


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help=WHAT)],
    b: Annotated[Path, typer.Argument(metavar="B", help="The same; differences are B - A")],
    tasks: Annotated[str, typer.Option("--tasks", metavar="X,Y,...", help="Only these, averaged among them")] = "",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also if answers were made with other settings; labelled")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: {a, b, rows, sentences, notes}")] = False,
) -> None:
    """Say whether model B is better than model A on the same problems, by how much, and whether chance explains it."""
    from rich.text import Text

    from mot_plugin import compare as comparison

    files = scores_file(a), scores_file(b)
    names = labels(*files)
    one, other = (_content(file) for file in files)
    wanted = [task.strip() for task in tasks.split(",") if task.strip()]
    rows = comparison.compare(one, other, *names, wanted, anyway=anyway)
    notes = comparison.notes(one, other, *names, rows)
    if as_json:
        said = comparison.sentences(rows, *names)
        shown = {"a": str(files[0]), "b": str(files[1]), "rows": [_plain(row) for row in rows]}
        print(json.dumps({**shown, "sentences": said, "notes": notes}, indent=1, ensure_ascii=False))
        return
    say = console()
    for letter, name, file in zip("AB", names, files, strict=True):
        say.print(Text(f"{letter}  {name}" + (f"  ({file})" if name != str(file) else "")), soft_wrap=True)
    say.print(table(rows))
    for line in notes:
        say.print(Text(line))


def scores_file(path: Path) -> Path:
    """The scores.json that `path` means. Raises FileError, with the evaluations of a run that was meant as a whole."""
    run = next((folder for folder in (path, *path.parents) if (folder / "plan.json").is_file()), None)
    room = run / "artifacts" / path.relative_to(run) if run else path
    candidates = (path, path / "scores.json", room / "scores.json", room / "evaluate" / "scores.json")
    found = next((file for file in candidates if file.is_file()), None)
    if found is not None:
        return found
    if run is None:
        raise FileError(f"{path}: no scores.json there: name an evaluation's folder, or its scores.json")
    from mot_plugin.folder import Folder

    steps = [step.name for step in Folder(run).plan().steps if step.kind == "evaluate"]
    done = [name for name in steps if (run / "artifacts" / name / "scores.json").is_file()]
    there = ", ".join(str(run / name.removesuffix("/evaluate")) for name in done)
    raise FileError(f"{path}: no evaluation; {f'there are {there}' if done else f'none of {run} is done yet'}")


def labels(a: Path, b: Path) -> tuple[str, str]:
    """Short names of two evaluations: those of their models in a run, else of their folders; whole paths if that is one."""
    short = _label(a), _label(b)
    return short if short[0] != short[1] else (str(a), str(b))


def _label(file: Path) -> str:
    folder = file.parent
    parts = folder.parts
    if "artifacts" in parts:
        inside = parts[len(parts) - parts[::-1].index("artifacts") :]
        return "/".join(inside).removesuffix("/evaluate")
    return folder.name or str(file)


def _content(file: Path) -> dict[str, Any]:
    from mot_plugin.evals import scored

    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileError(f"{file}: not JSON ({error})") from None
    if not isinstance(content, dict):
        raise FileError(f"{file}: not the scores.json of an evaluation")
    scored.read(content, str(file))  # here a message can say where it lies
    return content


def table(rows: "Sequence[Row]") -> "Table":
    from rich.table import Table

    from mot_plugin.report.rounding import arrow, percent, plus_minus

    shown = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("task", "n x k", "A", "B", "B - A", "p", "B is"):
        shown.add_column(title, no_wrap=title != "task", overflow="fold")
    for row in rows:
        repeats = " x " + "/".join(map(str, row.repeats)) if row.repeats else ""
        found = row.difference
        shown.add_row(
            row.title,
            f"{row.problems}{repeats}",
            *(plus_minus(str(percent(one.value)), one.stderr) for one in (row.a, row.b)),
            plus_minus(arrow(percent(found.value)), found.stderr),
            "<0.001" if found.p < 0.001 else f"{found.p:.3f}",
            row.verdict,
            style="bold" if row.task is None else None,
        )
    return shown


def _plain(row: "Row") -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(row), "verdict": row.verdict}
