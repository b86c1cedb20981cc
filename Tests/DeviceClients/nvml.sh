#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A real NVML client, nvidia-ml-py of PyPI, reads the simulated libnvidia-ml.so.1: what it understands is what the real
# library says. Usage: nvml.sh OUTPUT-DIRECTORY
set -u
out=${1:?usage: nvml.sh OUTPUT-DIRECTORY}
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)

if ! { [ -x "$out/python/bin/python" ] || python3 -m venv "$out/python"; } >"$out/venv.log" 2>&1; then
    echo "skip nvml: no python3 with venv"
    exit 0
fi
if ! "$out/python/bin/python" -m pip install --quiet --disable-pip-version-check nvidia-ml-py >"$out/pip.log" 2>&1; then
    echo "skip nvml: nvidia-ml-py cannot be fetched"
    exit 0
fi
if ! make -C "$root/CSources" OUT="$out/native" all >"$out/make.log" 2>&1; then
    echo "FAILED nvml: the simulated libraries do not build, see $out/make.log"
    exit 1
fi

sim=$out/native/clients/hcs-sim
export HCS_SIM_STATE="$out/state"
rm -f "$HCS_SIM_STATE"
"$sim" make "$HCS_SIM_STATE" nvidia=2x80Gi >/dev/null && mig=$("$sim" mig "$HCS_SIM_STATE" 1 10Gi 1) || {
    echo "FAILED nvml: no simulated host"
    exit 1
}
export LD_LIBRARY_PATH="$out/native/simulated"
CUDA_VISIBLE_DEVICES=GPU-a1010000-0000-0000-0000-000000000000 "$out/native/clients/hcs-client-cuda" alloc 67108864 hold 120 >"$out/client.log" 2>&1 &
client=$!
trap 'kill "$client" 2>/dev/null' EXIT

HCS_MIG=$mig HCS_CLIENT=$client HCS_HEADERS=$root/CSources/simulation "$out/python/bin/python" \
    "$root/Tests/DeviceClients/nvml.py"
