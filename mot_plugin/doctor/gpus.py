"""The GPUs of this computer, as the driver counts them."""

from collections.abc import Iterator

from mot_plugin.doctor.context import Context
from mot_plugin.doctor.driver import Card
from mot_plugin.doctor.finding import Finding, error, ok, unknown, warning
from mot_plugin.errors import MissingTool
from mot_plugin.tools import llamafactory, lm_eval, vllm


def check(context: Context) -> Iterator[Finding]:
    """As many as the machine file counts on, and free."""
    wanted = context.machine.gpu_count
    if not wanted:
        yield ok("GPUs", "none wanted: everything runs on the processor")
        return
    yield from _built_for_processors(context)
    if not context.local:
        what = f"{wanted} on each of {context.machine.nodes} nodes, which this computer does not see"
        yield unknown("GPUs", what, "run `mot-plugin doctor` on such a node too")
        return
    found = context.cards
    if found is None:
        said = f"{wanted} wanted, and nvidia-smi does not answer here"
        yield error("GPUs", said, "mend the driver (`nvidia-smi`), or take a machine file with `gpus: 0`")
    elif len(found) < wanted:
        said = f"{wanted} wanted, {len(found)} here: {_named(found)}"
        yield error("GPUs", said, f"write `gpus: {len(found)}` in the machine file")
    else:
        yield ok("GPUs", f"{wanted} of {len(found)}: {_named(found)}")
        yield from _used(found[:wanted])


def _built_for_processors(context: Context) -> Iterator[Finding]:
    """Of the tools that work on GPUs; those of one environment once."""
    told = set[str]()
    for name in (llamafactory.TOOL, lm_eval.TOOL, vllm.TOOL):
        one = context.environments.get(name)
        torch = one.packages.get("torch", "") if one else ""
        if one and "+cpu" in torch and one.where not in told:
            told.add(one.where)
            wrong = f"{torch} in {one.where} is built for processors, and {name} is to work on GPUs"
            remedy = f"{one.pip} --force-reinstall torch=={torch.partition('+')[0]}"
            yield error("torch", wrong, remedy, MissingTool)


def _used(found: tuple[Card, ...]) -> Iterator[Finding]:
    busy = [number for number, card in enumerate(found) if card.free < 0.9 * card.total]
    if busy:
        said = ", ".join(f"GPU {number}: {found[number].free / 2**30:.0f} GiB free" for number in busy)
        yield warning("GPUs in use", f"another program holds memory of {said}", "end it (`nvidia-smi` names it)")


def _named(found: tuple[Card, ...]) -> str:
    kinds = dict.fromkeys(f"{card.name}, {card.total / 2**30:.0f} GiB" for card in found)
    return "; ".join(kinds)
