"""serial: one step after the other on this computer, with nothing to install."""

from mot_plugin.executors.supervisor import supervise
from mot_plugin.executors.work import Outcome, Watcher, Work


def run(work: Work, tell: Watcher) -> Outcome:
    """In the plan's order. A failure blocks what needs it; everything else goes on."""
    failed: dict[str, str] = {}
    blocked: list[str] = []
    for number, step in enumerate(work.todo, 1):
        if any(need in failed or need in blocked for need in step.needs):
            blocked.append(step.name)
            tell("blocked", step, number)
            continue
        tell("start", step, number)
        wrong = supervise(work.folder, step.name, lambda step=step, number=number: tell("tick", step, number))  # type: ignore[misc]
        if wrong is not None:
            failed[step.name] = wrong
        tell("done" if wrong is None else "failed", step, number)
    return Outcome(failed, tuple(blocked))
