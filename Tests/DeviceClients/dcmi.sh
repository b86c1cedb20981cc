#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A real client of DCMI, ascend-nputop from PyPI, reads the simulated libdcmi.so: its figures are the simulated host's.
#   dcmi.sh DIRECTORY      what `make -C CSources OUT=DIRECTORY` made is used from there, or made there
set -euo pipefail
name=dcmi-nputop
here=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
skip() {
    echo "skip $name: $1"
    exit 0
}
fail() {
    echo "FAILED $name: $1"
    exit 1
}

command -v python3 >/dev/null || skip "python3 is not installed"
make -s -C "$here/CSources" OUT="$out" simulated "$out/clients/hcs-client-acl" >/dev/null ||
    fail "the simulated libraries are not built"
if [ ! -x "$out/venv-nputop/bin/python" ]; then
    python3 -m venv "$out/venv-nputop" 2>/dev/null || skip "python3 has no venv"
    "$out/venv-nputop/bin/pip" install --quiet ascend-nputop >"$out/nputop-pip.log" 2>&1 || {
        rm -rf "$out/venv-nputop"
        skip "ascend-nputop cannot be fetched"
    }
fi

# nputop looks below the driver's directory only.
mkdir -p "$out/nputop-driver/lib64"
ln -sf "$out/simulated/libdcmi.so" "$out/nputop-driver/lib64/libdcmi.so"
state=$out/nputop.state
cat >"$out/nputop-host.c" <<'END'
#include "hcs_sim_make.h"
int main(int argc, char **argv) {
    struct hcs_sim_host *host = argc == 2 ? hcs_sim_make(argv[1]) : NULL;
    if (host == NULL || hcs_sim_make_device(host, 2, 64ull << 30, 2 << 20) != 0)
        return 1;
    host->devices[0].temperature_c = 52;
    host->devices[0].power_mw = 92300;
    host->devices[0].utilization = 37;
    host->devices[0].used_elsewhere = 5ull << 30;
    hcs_sim_set_figure(host, 0, HCS_SIM_FIGURE_MEMORY_TEMPERATURE, 61);
    hcs_sim_set_figure(host, 0, HCS_SIM_FIGURE_MEMORY_UTILIZATION, 44);
    hcs_sim_set_figure(host, 0, HCS_SIM_FIGURE_CLOCK_COMPUTE, 1650);
    hcs_sim_set_figure(host, 0, HCS_SIM_FIGURE_CLOCK_COMPUTE_MAXIMUM, 1850);
    hcs_sim_set_figure(host, 0, HCS_SIM_FIGURE_CLOCK_MEMORY, 1601);
    hcs_sim_set_figure(host, 0, HCS_SIM_FIGURE_ECC_UNCORRECTED, 3);
    hcs_sim_set_figure(host, 0, HCS_SIM_FIGURE_ECC_UNCORRECTED_VOLATILE, 2);
    return 0;
}
END
cc -std=gnu17 -I"$here/CSources/simulation" "$out/nputop-host.c" -o "$out/nputop-host" || fail "no C compiler"
"$out/nputop-host" "$state" || fail "the simulated host is not made"
export HCS_SIM_STATE=$state ASCEND_DRIVER_HOME=$out/nputop-driver

LD_LIBRARY_PATH=$out/simulated "$out/clients/hcs-client-acl" alloc 1Gi hold 120 >"$out/acl.log" &
client=$!
trap 'kill $client 2>/dev/null || true' EXIT
for _ in $(seq 600); do
    grep -q '^alloc .* ok' "$out/acl.log" && break
    kill -0 $client 2>/dev/null || fail "hcs-client-acl ended: $(tail -n 1 "$out/acl.log")"
    sleep 0.05
done
"$out/venv-nputop/bin/python" -m nputop --once --backend dcmi --json >"$out/nputop.json" 2>"$out/nputop.log" ||
    fail "nputop: $(tail -n 1 "$out/nputop.log")"
"$out/venv-nputop/bin/python" - "$out/nputop.json" $client 2>"$out/nputop.log" <<'END' || fail "$(tail -n 1 "$out/nputop.log")"
import json, sys
from nputop.api import libdcmi

frame = json.load(open(sys.argv[1]))
(device,) = frame["devices"]
figures = {name: metric["value"] for name, metric in device["metrics"].items()}
(process,) = frame["processes"]
library = libdcmi.DcmiBackend.load()
ecc = library.ecc_info(0)
clocks = library.clock_speed_infos(0)
found = {
    "model": device["model"], "bus": device["bus"].lower(), "driver": frame["driver"], "errors": frame["errors"],
    "pid": process["driver_pid"], "process_memory": process["memory"], "ecc": tuple(ecc),
    "clock_max": clocks.max.sm, **figures,
}
wanted = {
    "model": "910B3", "bus": "ffff:10:00.0", "driver": "24.1.rc3", "errors": [], "pid": int(sys.argv[2]),
    "process_memory": 1 << 30, "ecc": (1, 0, 2, 0, 3, 0, 0), "clock_max": 1850,
    "memory_total": 64 << 30, "memory_used": 6 << 30, "memory_bandwidth": 44, "memory_mhz": 1601,
    "hbm_temperature": 61, "aicore": 37, "npu_overall": 37, "aicore_mhz": 1650, "temperature": 52, "power": 92.3,
}
wrong = {name: (found.get(name), value) for name, value in wanted.items() if found.get(name) != value}
if wrong:
    sys.exit(f"read and expected: {wrong}")
END
echo "ok $name"
