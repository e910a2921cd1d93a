#!/usr/bin/env bash
# Install Debian packages that tests and sandboxes need: system.sh PACKAGE... Says what to do where it may not.
set -euo pipefail
missing=()
for package in "$@"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}"
  apt-get update -qq >/dev/null && apt-get install -qq -y "${missing[@]}" >/dev/null && exit 0
fi
echo "not installed: ${missing[*]} (sudo apt-get install ${missing[*]}); tests that need them are skipped and say so" >&2
