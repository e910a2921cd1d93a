"""Serve a GGUF model on 127.0.0.1 as an OpenAI-compatible server, until it is stopped (Ctrl-C, SIGTERM).

    python benchmarks/teacher/serve.py MODEL.gguf --port P --slots S --context C [--threads T]

Prints `UP URL` on a line of its own as soon as requests are answered. URL ends in /v1, as clients want it as base_url.
"""

import argparse
import signal
import sys
from pathlib import Path

ALIAS = "teacher"


def main(model: Path, port: int, slots: int, context: int, threads: int) -> None:
    """Serve `slots` requests at once, each with `context` tokens for prompt and completion together."""
    if not model.is_file():
        sys.exit(f"{model}: no such file; benchmarks/teacher/fetch.py gets one")
    try:
        import xllamacpp  # type: ignore[import-untyped]
    except ImportError as error:
        sys.exit(f"xllamacpp cannot be imported ({error}): pip install xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {ALIAS}  # the name in /v1/models; any name is answered
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = slots
    params.n_ctx = slots * context  # llama.cpp shares it out
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        sys.exit(f"cannot serve {model} on port {port}: {error}")
    print(f"UP {server.listening_address}/v1", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("model", type=Path, metavar="MODEL.gguf")
    asked.add_argument("--port", type=int, required=True)
    asked.add_argument("--slots", type=int, required=True, help="requests answered at the same time")
    asked.add_argument(
        "--context", type=int, required=True, help="tokens of one request, prompt and completion together"
    )
    asked.add_argument(
        "--threads", type=int, default=1, help="1 where cores are shared: two then often wait for each other"
    )
    chosen = asked.parse_args()
    main(chosen.model, chosen.port, chosen.slots, chosen.context, chosen.threads)
