"""A teacher that is a model folder: `python tests/student_server.py MODEL PORT LOG`. It notes what it was given, and answers.

What it says follows from the folder's weights, so two students never say the same.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import fault_server
from fault_plan import as_plan


def main(model: str, port: str, log: str) -> None:
    """Refuse what is no model folder, then serve until it is ended."""
    folder = Path(model)
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"] == "qwen3", folder
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    with Path(log).open("a", encoding="utf-8") as notes:
        notes.write(json.dumps({"model": model, "weights": weights, "pid": os.getpid(), "port": port}) + "\n")
    plan = Path(f"{log}.{weights}.plan")
    as_plan([], {"right": 0.3 + int(weights[:2], 16) / 1000}).write(plan)
    fault_server.main(["--port", port, "--log", f"{log}.{weights}", "--plan", str(plan)])


if __name__ == "__main__":
    main(*sys.argv[1:])
