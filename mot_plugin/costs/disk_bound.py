"""An upper bound of the weights on the disk where steps run side by side, in whatever order an executor starts them."""

from collections.abc import Sequence

from mot_plugin.costs.disk import Load, readers


def bound(loads: Sequence[Load]) -> float:
    """No order of these steps that their needs allow has more bytes of weights at once.

    While a step runs, everything is taken to lie there that can: what is written by any step but its descendants, unless
    it is deleted for certain because all of its readers are among the step's ancestors.
    """
    place = {load.key: number for number, load in enumerate(loads)}
    above: list[int] = []
    for load in loads:
        mask = 0
        for need in load.needs:
            if need in place:
                mask |= above[place[need]] | 1 << place[need]
        above.append(mask)
    waiting = readers(loads)
    read_by = [sum(1 << place[key] for key in waiting[load.key]) for load in loads]
    heavy = [number for number, load in enumerate(loads) if load.size.working or load.holds]
    return max((_while(loads, number, above, read_by, heavy, place) for number in _running(loads)), default=0.0)


def _running(loads: Sequence[Load]) -> list[int]:
    return [number for number, load in enumerate(loads) if not load.present]


def _while(
    loads: Sequence[Load], running: int, above: list[int], read_by: list[int], heavy: list[int], place: dict[str, int]
) -> float:
    done, total = above[running], 0.0
    there: set[int] = set()
    for number in heavy:
        load = loads[number]
        if above[number] >> running & 1:  # comes later
            continue
        finished = bool(done >> number & 1) or load.present
        gone = load.temporary and finished and not read_by[number] & ~done
        if gone:
            continue
        there.add(number)
        if load.holds is None:
            total += load.size.left if finished else load.size.working
        elif not all(place[key] in there for key in load.options if key in place):  # else it is counted with its maker
            total += load.model
    return total
