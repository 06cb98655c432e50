#!/usr/bin/env bash
# Makes sure that the programs which building, testing and measuring call are there: `tools.sh` to
# build and run, `tools.sh test` for the tests' clients on top, `tools.sh bench` for the bench's
# rivals, `tools.sh lab` for the lab. Missing ones are installed where that is allowed (root,
# apt-get); elsewhere one line names the packages.
set -euo pipefail

# program, and the Debian package that brings it
needs="
cc gcc
git git
go golang-go
nginx nginx-light
python3 python3
unzip unzip
"
case "${1:-}" in
  test)
    needs+="
certutil libnss3-tools
chromium chromium
curl curl
h2load nghttp2-client
ip iproute2
prometheus prometheus
timeout coreutils
unshare util-linux
valgrind valgrind
"
    ;;
  lab)
    needs+="
ip iproute2
"
    ;;
  bench)
    needs+="
taskset util-linux
h2load nghttp2-client
haproxy haproxy
"
    ;;
esac

if ! command -v cargo >/dev/null; then
  echo "cargo is missing: install Rust 1.95 or newer from https://rustup.rs" >&2
  exit 1
fi

packages=()
while read -r program package; do
  [ -n "$program" ] || continue
  command -v "$program" >/dev/null || packages+=("$package")
done <<<"$needs"
# A library of whichever Python has it; Debian's own has it from its package.
has_websockets() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import websockets' 2>/dev/null && return
  done
  return 1
}
if [ "${1:-}" = test ] && ! has_websockets; then
  packages+=(python3-websockets)
fi
[ "${#packages[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${packages[*]}" >&2
  # Runlevel 1: a package that brings a service must not start it.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  {
    apt-get update -qq &&
      apt-get install -y -qq --no-install-recommends "${packages[@]}"
  } >&2
else
  echo "install these packages first: ${packages[*]} (Debian names)" >&2
  exit 1
fi
