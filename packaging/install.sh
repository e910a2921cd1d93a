#!/usr/bin/env bash
# Make one environment with the package and its pinned tools: install.sh VENV [PYTHON]. The same command for every machine:
# the torch that pip takes decides. Built for CUDA, it gets the real torchvision and torchaudio, and Liger; else two empty
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
  set -- torchvision torchaudio --editable '.[train,merge,eval,report,corpus,ray,gpu,dev]'
else
  echo "installing the tools (no CUDA: torchvision and torchaudio are empty stand-ins)"
  set -- ./packaging/stubs/torchvision ./packaging/stubs/torchaudio --editable '.[train,deepspeed,merge,eval,report,corpus,ray,dev]'
fi
pip install --constraint constraints/torch.txt --constraint constraints/tools.txt --constraint constraints/dev.txt "$@"
pip check

# IFEval counts sentences with NLTK's punkt_tab, which NLTK would fetch from the network in the middle of an evaluation. It is data
# without a stated licence, so it is not ours to ship; a package of the registry carries NLTK's own copy.
if [ ! -d "$venv/nltk_data/tokenizers/punkt_tab" ]; then
  echo "unpacking NLTK's sentence tables"
  wheels=$(mktemp -d)
  pip download --no-deps --dest "$wheels" llama-index-core==0.14.25
  "$venv/bin/python" - "$wheels" "$venv/nltk_data" <<'END'
import pathlib, sys, zipfile
wheel, target = next(pathlib.Path(sys.argv[1]).glob("*.whl")), pathlib.Path(sys.argv[2])
with zipfile.ZipFile(wheel) as packed:
    for name in packed.namelist():
        inside = name.partition("/nltk_cache/")[2]
        if inside.startswith("tokenizers/punkt_tab/") and not name.endswith("/"):
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            (target / inside).write_bytes(packed.read(name))
END
  rm -r "$wheels"
fi
