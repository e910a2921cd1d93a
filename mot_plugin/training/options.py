"""What `mot-plugin train` takes beside LLaMA-Factory's own arguments, and how it gets through torchrun to every process."""

import json
from dataclasses import asdict, dataclass
from typing import Self
from urllib.parse import quote, unquote

_MARK = "mot_plugin="


@dataclass(frozen=True)
class Options:
    """The callbacks of one training."""

    probe: tuple[str, ...] = ()
    every: int = 10
    only: bool = False
    """Measure the model that the training would start from, and train nothing."""
    progress: str | None = None
    checkpoint_every: int | None = None

    @property
    def word(self) -> str:
        """One word without blanks: LLaMA-Factory splits the command line of its processes at blanks."""
        return _MARK + quote(json.dumps(asdict(self)), safe='{}[]":,/')

    @classmethod
    def of(cls, word: str) -> Self:
        """What a word says. Raises ValueError for one that is none of ours."""
        if not word.startswith(_MARK):
            raise ValueError(f"{word!r} are not options of mot-plugin")
        said = json.loads(unquote(word.removeprefix(_MARK)))
        return cls(**{**said, "probe": tuple(said["probe"])})
