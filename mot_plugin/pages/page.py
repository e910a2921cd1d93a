"""A run as one HTML file that needs nothing else: gather what there is, hand it to the templates."""

import base64
import functools
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from mot_plugin import __version__, glance
from mot_plugin.blocks import UNION
from mot_plugin.corpus import build, reasons
from mot_plugin.corpus.look import Corpus
from mot_plugin.folder import Folder
from mot_plugin.pages import byhand, cost, discreet, examples, headline, ran_on, standing, timeline
from mot_plugin.report import html, merges, write
from mot_plugin.report.plots import Figure
from mot_plugin.report.tables import Table
from mot_plugin.step import Plan

MEMORY = ".page"
"""Folder of a run in which examples are remembered."""
LIVE_SECONDS = 30
"""A page of a run that goes on is made again at least so often, so that its silence says something."""

_TEMPLATES = Path(__file__).parent / "templates"
# Characters that steer terminals and parsers; what is left of half a surrogate pair, which is no text.
_PLAIN = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | dict.fromkeys(range(127, 160), 0xFFFD)
_PLAIN |= dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)
_QUOTED = re.compile(r"`([^`<>]+)`")
_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)


def make(
    folder: Folder, config: write.Config, content: write.Content, drawn: Sequence[Figure], *, running: bool | None
) -> str:
    """The page. `config` is the report's, with paths that lead there from here."""
    plan, store, now = folder.plan(), folder.store(), time.time()
    stands = standing.standing(folder, plan, store, running=running, at=now)
    every = timeline.spans(plan, store, now)
    clock, strips = timeline.Clock(every), headline.strips(content.board)
    shown = {
        "config": config,
        "content": content,
        "figures": drawn,
        "stands": stands,
        "made": now if stands.state == "running" else None,
        "fingerprint": plan.prints["report"],
        "strips": strips,
        "scale": headline.scale(strips),
        "compared": headline.name(content.board),
        "clock": clock,
        "timeline": timeline.timeline(every, clock),
        "spans": every,
        "groups": [group for group in timeline.KINDS if any(span.group == group for span in every)],
        "ended": max((span.end for span in every), default=None),
        "gpu_hours": cost.gpu_hours(every),
        "costs": [*cost.tables(every), cost.tokens(folder, plan)] if every else [],
        "pictures": _pictures(config.merges),
        "corpora": list(_corpora(folder, plan)),
        "recipe": discreet.text((folder.root / "recipe.yaml").read_text(encoding="utf-8")),
        "machine": _machine(folder),
        "ran_on": ran_on.tools(plan, store),
        "hardware": ran_on.hardware(plan, store),
        "version": __version__,
        "again": byhand.whole(folder, plan),
        "commands": byhand.steps(plan, store),
        "words": {row["name"]: row["what"] for row in stands.rows},
    }
    return _environment().get_template("page.html").render(shown).translate(_PLAIN)


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (_TEMPLATES / "script.js").read_text(encoding="utf-8")
    made.globals |= {
        "style": Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),  # noqa: S704  (our own file)
        "script": Markup(script),  # noqa: S704  (our own file)
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "live_seconds": LIVE_SECONDS,
        "reasons": reasons,
    }
    made.filters |= {
        "table": _table,
        "svg": Markup,  # drawn by ourselves; the page's policy runs no script in it
        "took": took,
        "clock": glance.clock,
        "moment": lambda at: time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)),
        "stem": lambda name: name.rpartition("/")[2],
    }
    return made


def took(seconds: float) -> str:
    """`0.4 s`, `42 s`, `12:31`, `3:04:05`."""
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s" if seconds < 60 else glance.clock(seconds)


def _table(table: Table) -> Markup:
    """A table that scrolls in a box of its own, which a keyboard can reach."""
    label = str(Markup.escape(table.title))
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>'
    rendered = html.render(table).replace("<table>", box).replace("</table>", "</table></div>")
    body, ends, notes = rendered.rpartition("</table></div>")
    rendered = body + ends + _QUOTED.sub(r"<code>\1</code>", notes)
    return Markup(rendered)  # noqa: S704  (html.render escapes every cell)


def _pictures(folders: Sequence[str]) -> list[tuple[int, str]]:
    """The heat map of each merge, without its own style sheet, which would be the whole page's: (round, SVG)."""
    found = []
    for number, folder in enumerate(folders, 1):
        picture = Path(folder) / merges.PICTURE
        if picture.is_file():
            text = _STYLE.sub("", picture.read_text(encoding="utf-8"))
            words = f"Round {number}: consensus and cosines of the branches' updates, by layer and module"
            head = f'<svg class="heat" role="img" aria-label="{words}" '
            found.append((number, text.replace("<svg ", head, 1)))
    return found


def _corpora(folder: Folder, plan: Plan) -> Sequence[Mapping[str, Any]]:
    """Each corpus: its summary (None while it is not there) and examples."""
    found: list[Mapping[str, Any]] = []
    for step in plan.steps:
        if step.kind != "corpus":
            continue
        file = folder.root / "artifacts" / step.name / "summary.json"
        summary = json.loads(file.read_bytes()) if file.is_file() else None
        shown: list[examples.Example] = []
        if summary is not None and step.name != UNION:
            config = build.Config.model_validate_json(next(one.text for one in step.call.files))
            memory = folder.root / MEMORY / f"{plan.prints[step.name]}.json"
            shown = examples.examples(Corpus(folder.root, step.name, config), memory)
        found.append({"name": step.name.removeprefix("corpus/"), "summary": summary, "examples": shown})
    return found


def _machine(folder: Folder) -> str:
    said = discreet.data(folder.machine().model_dump(mode="json", exclude_defaults=True))
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True)
