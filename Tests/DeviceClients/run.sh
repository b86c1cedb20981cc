#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real programs of the vendors and of others read our simulated libraries, and our worker reads a real library:
# `run.sh DIRECTORY` runs every script beside it with a directory for what it fetches and builds. Each prints lines
# 'ok NAME', 'FAILED NAME: why', 'skip NAME: why'; the closing line counts them. Non-zero when one failed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:?usage: run.sh DIRECTORY}
mkdir -p "$out"
export HCS_VENDOR_WORKER=${HCS_VENDOR_WORKER:-$here/../../.build/debug/hcs-vendor-worker}
log=$out/lines
: >"$log"
for script in "$here"/*.sh; do
    [[ $script != "$here/run.sh" ]] || continue
    name=$(basename "$script" .sh)
    mkdir -p "$out/$name"
    status=0
    timeout "${CLIENT_SECONDS:-600}" "$script" "$out/$name" | tee -a "$log" || status=$?
    # A script that ends badly without a word has failed all the same.
    if ((status != 0)) && ! tail -n 50 "$log" | grep -q "^FAILED"; then
        echo "FAILED $name: exit $status" | tee -a "$log"
    fi
done
passed=$(grep -c '^ok ' "$log" || true)
failed=$(grep -c '^FAILED ' "$log" || true)
skipped=$(grep -c '^skip ' "$log" || true)
echo "$passed passed, $failed failed, $skipped skipped"
exit $((failed > 0))
