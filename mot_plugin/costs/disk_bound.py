"""An upper bound of the weights on the disk where steps run side by side, in whatever order an executor starts them.

Of two models of which one is deleted for certain before the other is written, only one lies there at a time. So models are
laid in chains in which each is gone before the next begins, and no moment has more than the largest of every chain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mot_plugin.costs.disk import Load, readers


@dataclass(frozen=True)
class _Item:
    """Bytes that lie there from a step on: steps as bits. `ends` is None for what is never deleted."""

    size: float
    before: int
    """Steps that have ended for certain when it begins."""
    ends: int | None
    """Steps that have all ended when it is deleted."""


@dataclass
class _Chain:
    """Items of which no two lie there at once: when the last begins, all others are gone."""

    most: float
    ends: int | None

    def takes(self, item: _Item) -> bool:
        """Whether all that is in it is gone when this one begins."""
        return self.ends is not None and not self.ends & ~item.before

    def add(self, item: _Item) -> None:
        """Lay one more in."""
        self.most = max(self.most, item.size)
        self.ends = None if item.ends is None or self.ends is None else self.ends | item.ends


def bound(loads: Sequence[Load]) -> float:
    """No order of these steps that their needs allow, and no number of them at once, has more bytes of weights."""
    chains: list[_Chain] = []
    for item in _items(loads):
        fit = [chain for chain in chains if chain.takes(item)]
        if fit:
            # The smallest that is large enough for it, else the largest: as little as can be is added.
            min(fit, key=lambda chain: (chain.most < item.size, abs(chain.most - item.size))).add(item)
        else:
            chains.append(_Chain(item.size, item.ends))
    return sum(chain.most for chain in chains)


def _items(loads: Sequence[Load]) -> Iterator[_Item]:
    place = {load.key: number for number, load in enumerate(loads)}
    done = sum(1 << number for number, load in enumerate(loads) if load.present)
    above: list[int] = []
    for load in loads:
        mask = done
        for need in load.needs:
            if need in place:
                mask |= above[place[need]] | 1 << place[need]
        above.append(mask)
    waiting = readers(loads)
    ends = [
        sum(1 << place[key] for key in waiting[load.key]) | 1 << number if load.temporary else None
        for number, load in enumerate(loads)
    ]
    for number, load in enumerate(loads):
        last = ends[number]
        if load.present and last is not None and not last & ~done:  # deleted already
            continue
        if load.holds is not None:
            begin = _begin(load, number, above, ends, place)
            outlived = begin is not None and last is not None and not last & ~begin  # by all that may have made it
            if load.model and begin is not None and not outlived:
                yield _Item(load.model, begin, last)
        elif load.size.left:
            yield _Item(load.size.left, above[number], last)
        if load.size.while_working and not load.present:
            yield _Item(load.size.while_working, above[number], 1 << number)


def _begin(load: Load, number: int, above: list[int], ends: list[int | None], place: dict[str, int]) -> int | None:
    """Steps that have ended when a choice is the only one left that holds its model; None if its makers keep theirs.

    Until then the model is counted with the step that made it.
    """
    options = [ends[place[key]] for key in load.options if key in place]
    gone = [last for last in options if last is not None]
    if options and not gone:
        return None
    begin = -1 if gone else 0
    for last in gone:
        every = last
        for step in range(len(above)):
            if last >> step & 1:
                every |= above[step]
        begin &= every
    return above[number] | begin
