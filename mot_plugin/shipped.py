"""Where the files lie that come with the package: recipes, mergekit files, lm-eval tasks.

In a checkout they are the top-level folders, in an installed wheel they lie in `mot_plugin/_files`.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def path(*parts: str) -> Path:
    """Absolute path of a shipped file or folder, for example path("recipes", "quickstart.yaml")."""
    installed = _PACKAGE / "_files"
    return (installed if installed.is_dir() else _PACKAGE.parent).joinpath(*parts)
