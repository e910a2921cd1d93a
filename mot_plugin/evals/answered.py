"""How many answers of an evaluation there are, over all its shards: kept ones, and those that engines have given so far."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mot_plugin.evals import engines
from mot_plugin.tools import lm_eval

FILE = "progress.json"


@dataclass
class Answered:
    """Counts of one evaluation. `shares` are the answers per problem of each start, by its log; `kept` are answers found."""

    folder: Path
    shares: dict[Path, float]
    kept: int = 0
    _bars: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _looked: float = 0.0

    def look(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the logs and write the counts, at most once a second."""
        if clock() - self._looked < 1:
            return
        self._looked = clock()
        for log in self.shares:
            bar = lm_eval.progress(engines.end(log))
            if bar is not None:
                self._bars[log] = bar
        counts = self.counts()
        if counts is not None:
            part = self.folder / f".{FILE}"
            part.write_text(json.dumps({"done": counts[0], "of": counts[1]}), encoding="utf-8")
            part.replace(self.folder / FILE)

    def counts(self) -> tuple[int, int] | None:
        """(answers, of); None while no engine has said how many it will give.

        Starts that have not said so are taken to be like the others: exact where all have the same tasks.
        """
        if not self._bars:
            return None
        known = sum(of for _, of in self._bars.values())
        each = known / sum(self.shares[log] for log in self._bars)
        unknown = sum(share for log, share in self.shares.items() if log not in self._bars)
        return self.kept + sum(done for done, _ in self._bars.values()), self.kept + known + round(each * unknown)
