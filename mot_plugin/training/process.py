"""The script that torchrun starts once per process, in place of LLaMA-Factory's own `launcher.py`."""

import sys

if __name__ == "__main__":
    sys.path.pop(0)  # this folder: its modules are not to be found by their bare names

    from llamafactory.train.tuner import run_exp

    from mot_plugin.errors import MotError
    from mot_plugin.training.launch import train

    try:
        train(run_exp)
    except MotError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
