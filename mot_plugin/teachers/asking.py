"""What is asked of a teacher: the sampling that a recipe states, and the body of each request. One request, one sample."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]


class Sampling(BaseModel):
    """How teachers are sampled (paper, section 4.1: 16 samples, temperature 0.6, at most 32,768 tokens).

    Nothing that shapes a text has a default: a server's own defaults differ, and would be science that nobody wrote down.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    mode: Literal["until_correct", "all"] = "until_correct"
    """until_correct: samples in the order of their numbers up to the first correct one. all: n samples, of which one correct is
    drawn. The kept trace has the same distribution (docs/method.md); the first asks for a fraction of the tokens."""
    n: Positive
    """Samples of a prompt; at most so many in until_correct."""
    temperature: Annotated[float | int, Field(ge=0)]
    top_p: Annotated[float | int, Field(gt=0, le=1)]
    top_k: Annotated[int, Field(ge=1)] | None
    """null: not sent, because a vendor's endpoint refuses it or has none."""
    max_tokens: Positive
    """Tokens of one completion, the thought included."""
    extra: dict[str, Any] = {}
    """Further fields of every request that shape the text: `{chat_template_kwargs: {enable_thinking: true}}`, `{min_p: 0}`."""
    max_tokens_total: Positive | None = None
    """Completion tokens that may be spent on one teacher. Once they are, nothing new is asked and the step ends with an error."""

    def shape(self) -> dict[str, Any]:
        """What the distribution of one sample depends on: neither how many are drawn nor what they may cost."""
        return self.model_dump(exclude={"mode", "n", "max_tokens_total"})


@dataclass(frozen=True)
class Line:
    """All requests to one model with one sampling: what a sample is, besides its prompt and its number."""

    model: str
    sampling: Sampling
    seed: int

    def name(self) -> str:
        """Folder of its samples: the model's name, and a digest of all that they depend on."""
        known = json.dumps([self.model, self.sampling.shape(), self.seed], sort_keys=True)
        readable = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in self.model)
        return f"{readable[-48:].strip('-.')}-{_digest(known)[:12]}"

    def body(self, user: str, index: int, name: str | None = None) -> dict[str, Any]:
        """The JSON of sample number `index` (from 0) of the prompt `user`; `name` is how a server calls the model, if otherwise.

        Every parameter is stated: vLLM takes what is left out from the model's own generation_config.json.
        """
        shape = self.sampling
        top_k: Mapping[str, Any] = {} if shape.top_k is None else {"top_k": shape.top_k}
        return {
            "model": name or self.model,
            "messages": [{"role": "user", "content": user}],
            "n": 1,
            "temperature": shape.temperature,
            "top_p": shape.top_p,
            **top_k,
            "max_tokens": shape.max_tokens,
            "seed": int(_digest(f"{self.seed}|{user}|{index}")[:7], 16),
            **shape.extra,
        }


def custom_id(user: str, index: int) -> str:
    """Identity of a sample within its line: the user turn and the sample's number. At most 64 characters, as vendors ask."""
    return f"{_digest(user)[:20]}-{index:04}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
