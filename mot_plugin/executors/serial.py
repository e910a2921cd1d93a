"""serial: one step after the other on this computer, with nothing to install."""

from mot_plugin.executors.graph import Graph
from mot_plugin.executors.supervisor import supervise
from mot_plugin.executors.work import Outcome, Watcher, Work


def run(work: Work, tell: Watcher) -> Outcome:
    """In the plan's order. A failure blocks what needs it; everything else goes on."""
    graph, failed = Graph(work.todo), dict[str, str]()
    while graph.ready:
        step = graph.ready[0]
        number = graph.number(step)
        graph.hand_out(step)
        tell("start", step, number)
        wrong = supervise(work.folder, step.name, lambda step=step, number=number: tell("tick", step, number))  # type: ignore[misc]
        if wrong is not None:
            failed[step.name] = wrong
        tell("done" if wrong is None else "failed", step, number)
        for lost in graph.end(step, well=wrong is None):
            tell("blocked", lost, graph.number(lost))
    return Outcome(failed, graph.blocked)
