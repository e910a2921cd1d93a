"""llama.cpp's own server (package xllamacpp) on this computer, as a real teacher for the tests.

    python tests/llama_server.py MODEL.gguf PORT SETTINGS.json-text

Port 0 is any free one. It ends when its standard input does.
"""

import json
import os
import sys
from pathlib import Path

from child_server import ChildServer

TEMPLATE = """\
{%- for turn in messages %}
    {{- '<|im_start|>' + turn.role + '\\n' }}
    {%- if turn.role == 'assistant' and turn.reasoning_content %}
        {{- '<think>\\n' + turn.reasoning_content + '\\n</think>\\n\\n' }}
    {%- endif %}
    {{- turn.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and not enable_thinking %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""
"""A template in which llama.cpp can see that the model thinks: it writes `reasoning_content`, as Qwen3's does. The
student's own says so in `enable_thinking` only, which llama.cpp does not take as a sign."""


class LlamaServer(ChildServer):
    """One GGUF model behind `url`, with one thread: on shared cores two of them wait for each other."""

    def __init__(
        self, gguf: Path, *, slots: int = 1, context: int = 1024, name: str = "student", log: Path, **settings: object
    ) -> None:
        """`slots` requests at a time with `context` tokens each; `settings` are fields of xllamacpp's CommonParams."""
        settings = {"n_parallel": slots, "n_ctx": slots * context, "model_alias": [name], **settings}
        super().__init__([__file__, str(gguf), "0", json.dumps(settings)], log)


def main(gguf: str, port: str, settings: str) -> None:
    """Serve until standard input ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = gguf
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.fit_params = False  # a slot has the context that was asked for, not what llama.cpp finds fit
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = 1
        threads.poll = 0  # while it waits it leaves the core to others
    for name, value in json.loads(settings).items():
        setattr(params, name, set(value) if name == "model_alias" else value)
    server = xllamacpp.Server(params)
    print(f"UP {server.listening_address}/v1", flush=True)
    sys.stdin.buffer.read()
    os._exit(0)  # its destructor would wait for the requests in the air


if __name__ == "__main__":
    main(*sys.argv[1:])
