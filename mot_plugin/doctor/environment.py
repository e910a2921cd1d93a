"""The environment that a tool's command starts: which Python, which packages, and LLaMA-Factory's templates as they are written."""

import importlib.util
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from mot_plugin.doctor import outside
from mot_plugin.processes import locate
from mot_plugin.shipping import versions
from mot_plugin.tools import llamafactory_template
from mot_plugin.tools.call import filled

SECONDS = 60.0
"""A container or a login shell takes its time."""
_TEMPLATES = f"llamafactory/{llamafactory_template.PLACE}"

_ASK = """
import importlib.metadata as metadata, importlib.util, json, platform, sys
packages = {"python": platform.python_version()}
for name in sys.argv[2:]:
    try:
        packages[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
found = importlib.util.find_spec(sys.argv[1].partition("/")[0])
text = ""
for folder in list(found.submodule_search_locations or [])[:1] if found else []:
    try:
        with open(folder + "/" + sys.argv[1].partition("/")[2], encoding="utf-8") as opened:
            text = opened.read()
    except OSError:
        pass
print(json.dumps({"packages": packages, "text": text}))
"""


@dataclass(frozen=True)
class Environment:
    """What was found behind a tool's command. Without `packages` nobody could be asked, and `why` says why."""

    tool: str
    start: tuple[str, ...]
    """How its Python is started: a path, or words of a launcher or a container before a shell."""
    command: tuple[str, ...]
    """What starts the tool, its first word as found on PATH."""
    packages: Mapping[str, str] = field(default_factory=dict)
    templates: str = ""
    """LLaMA-Factory's file of templates; empty where there is none."""
    why: str = ""

    @property
    def where(self) -> str:
        """Its Python for people, or whose environment it is."""
        return self.start[0] if len(self.start) == 1 else f"the environment of {self.tool}"

    @property
    def pip(self) -> str:
        """How a package of this environment is changed."""
        return f"{self.start[0]} -m pip install" if len(self.start) == 1 else f"in {self.where}: pip install"


def behind(tool: str, argv: Sequence[str]) -> Environment:
    """Where a tool's command leads, not asked yet."""
    command = (locate(argv[0]) or argv[0], *filled(argv[1:], (), "/", ()))
    start = tuple(versions.python_of(command))
    why = "" if start else f"{Path(argv[0]).name} does not say which Python it starts"
    return Environment(tool, start, command, why=why)


def asked(one: Environment, environ: Mapping[str, str], names: Iterable[str]) -> Environment:
    """The same with its packages, of those that are named. Imports nothing there but Python's own."""
    if not one.start:
        return one
    if versions.ours(one.start):
        packages, text = _here(names)
        return replace(one, packages=packages, templates=text)
    said = outside.ask([*one.start, "-c", _ASK, _TEMPLATES, *names], environ, SECONDS)
    if said.wrong:
        return replace(one, why=said.wrong)
    try:
        answer = json.loads(said.text.strip().rpartition("\n")[2])  # a login shell may greet before
        return replace(one, packages=dict(answer["packages"]), templates=str(answer["text"]))
    except (ValueError, KeyError, TypeError):
        return replace(one, why=f"{one.where} answers something else than it was asked")


def _here(names: Iterable[str]) -> tuple[dict[str, str], str]:
    packages = {"python": platform.python_version()}
    for name in names:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found = importlib.util.find_spec(_TEMPLATES.partition("/")[0])
    for folder in (found.submodule_search_locations or [])[:1] if found else ():
        file = Path(folder) / llamafactory_template.PLACE
        return packages, file.read_text(encoding="utf-8") if file.is_file() else ""
    return packages, ""
