#!/usr/bin/env bash
# Installs Debian's chromium for the browser tests; they are skipped where it is absent.
set -euo pipefail
if command -v chromium >/dev/null; then
  chromium --version
  exit 0
fi
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "chromium: needs root and apt-get here; install chromium by hand." >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# Another program may hold dpkg's lock for a while.
apt-get -o DPkg::Lock::Timeout=300 -qq update
apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends chromium
chromium --version
