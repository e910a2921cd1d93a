"""`mot-plugin mirror`: copy a finished run's finals to a bucket, now or once more."""

from typing import Annotated

import typer

from mot_plugin.errors import FileError
from mot_plugin.terminal import RunFolder, console


def mirror(
    folder: RunFolder,
    to: Annotated[
        str, typer.Option("--to", metavar="URL", help="s3://bucket/path, a folder, ...; storage.mirror if not given")
    ] = "",
) -> None:
    """Copy student, report and records of a run to a bucket or a folder; what is there already is not sent again."""
    from mot_plugin import mirror as mirrors
    from mot_plugin.folder import Folder

    run = Folder(folder)
    run.plan()  # says so if this is no run folder
    url = to or run.machine().storage.mirror
    if not url:
        raise FileError(f"{folder} has no storage.mirror in its machine file: say where with --to URL")
    mirrors.send(run, url, lambda words: console().print(words, markup=False, soft_wrap=True))
