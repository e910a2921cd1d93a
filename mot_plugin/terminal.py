"""What all commands share: their common arguments, the console, and how a run is shown on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mot_plugin.errors import FileError

if TYPE_CHECKING:
    from rich.console import Console

    from mot_plugin.views import View

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, for example recipes/quickstart.yaml")]
MachineFile = Annotated[
    Path | None, typer.Option("--machine", "-m", metavar="FILE", help="Where it runs; this computer if not given")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, for example runs/quickstart")]


def view(*, plain: bool) -> "View":
    """A live picture on a terminal, lines elsewhere or where they are asked for."""
    from mot_plugin.live_view import LiveView
    from mot_plugin.views import PlainView

    shown = console()
    return LiveView(shown) if shown.is_terminal and not plain else PlainView(shown)


def console() -> "Console":
    """Where output goes; a pipe has no width of its own."""
    from rich.console import Console

    shown = Console(highlight=False)
    return shown if shown.is_terminal else Console(highlight=False, width=200)


def recipe_file(path: Path) -> Path:
    """The file as given; a name that is no file gets a hint at what is shipped."""
    if path.exists():
        return path
    from mot_plugin import shipped

    known = [file.stem for file in sorted(shipped.path("recipes").glob("*.yaml"))]
    raise FileError(
        f"{path}: no such file. Shipped recipes: {', '.join(known)}; copy one with `mot-plugin recipes --copy NAME`"
    )
