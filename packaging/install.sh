#!/usr/bin/env bash
# Make one environment with the package and its pinned tools: install.sh VENV [PYTHON]. The same command for every machine:
# the torch that pip takes decides. Built for CUDA, it gets the real torchvision, torchaudio and DeepSpeed; else two empty
# stand-ins, because the registry's torchvision and torchaudio cannot be loaded without CUDA and break every import.
set -euo pipefail
venv=$1
python=${2:-python3}
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"

"$python" -c 'import sys; sys.exit("mot-plugin needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }

echo "installing torch into $venv"
pip install --constraint constraints/torch.txt torch
if "$venv/bin/python" -W ignore -c 'import sys, torch; sys.exit(torch.version.cuda is None)'; then
  echo "installing the tools (CUDA $("$venv/bin/python" -W ignore -c 'import torch; print(torch.version.cuda)'))"
  set -- torchvision torchaudio --editable '.[train,merge,eval,corpus,gpu,dev]'
else
  echo "installing the tools (no CUDA: torchvision and torchaudio are empty stand-ins)"
  set -- ./packaging/stubs/torchvision ./packaging/stubs/torchaudio --editable '.[train,merge,eval,corpus,dev]'
fi
pip install --constraint constraints/torch.txt --constraint constraints/tools.txt --constraint constraints/dev.txt "$@"
pip check
