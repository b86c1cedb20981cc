# SPDX-License-Identifier: Apache-2.0
#
# Compares what hcs-vendor-worker said with the sysfs tree that rsmi.sh built.
import json
import pathlib
import sys

out = pathlib.Path(sys.argv[1])
failed = False


def check(name, got, expected):
    global failed
    if got == expected:
        print(f"ok {name}")
    else:
        failed = True
        print(f"FAILED {name}: {got!r}, expected {expected!r}")


def answers(name):
    lines = [json.loads(line) for line in (out / name).read_text().splitlines()]
    return {line["id"]: line.get("ok", line.get("error")) for line in lines}


described = answers("described")
check("missing functions", described[0]["missing"], [])
check("AMD's build is told apart", described[0]["library"].endswith("(AMD's)"), True)
devices = described[1]["devices"]
check("devices", [d["id"] for d in devices], ["GPU-4f9d4a2b7c6e1001", "GPU-4f9d4a2b7c6e1002"])
check("nothing skipped", described[1]["skipped"], [])
first = devices[0]
check("name", first["name"], "AMD Instinct MI210")
check("maker", first["details"]["maker"], "AMD")
check("VRAM", first["memory"], 68702699520)
check("PCI address", [d["pci"] for d in devices], ["0000:c1:00.0", "0000:c6:00.0"])
check("NUMA node", [d["numaNode"] for d in devices], [1, 0])
check("VBIOS", first["details"]["firmware"], "113-D67301-063")
check("architecture", first["details"]["architecture"], "gfx90a")
check(
    "xGMI link",
    [(l["kind"], l["lane"], l["peer"], l["address"], l["bandwidth"]) for l in first["details"]["links"]],
    [("xgmi", 1, "device", "0000:c6:00.0", 100)],
)

sample = described[2]["samples"][0]
check("VRAM used, without GTT", sample["memoryUsed"], 10997760000)
holder = int((out / "pid").read_text())
check("memory by process", [s["processes"] for s in described[2]["samples"]], [[[holder, 67108864]], []])
expected = {
    "utilization": 37,
    "memoryUtilization": 12,
    "temperature": 48,
    "temperature:junction": 48,
    "temperature:edge": 41,
    "memoryTemperature": 52,
    "temperatureSlowdown": 100,
    "temperatureShutdown": 105,
    "power": 91,
    "powerLimit": 300,
    "clock:compute": 1200,
    "clockMaximum:compute": 1700,
    "clock:memory": 1600,
    "clockMaximum:memory": 1600,
    "pcieReplays": 3,
    "pcieGeneration": 3,
    "pcieWidth": 8,
    "pcieGenerationMaximum": 4,
    "pcieWidthMaximum": 16,
    "eccMode": 1,
    "eccCorrectedVolatile:dram": 7,
    "eccUncorrectedVolatile:dram": 2,
    "eccCorrectedVolatile:gfx": 1,
    "eccCorrectedVolatile": 8,
    "eccUncorrectedVolatile": 2,
    "retiredPages": 1,
    "retiredPagesPending": 1,
}
for signal, value in expected.items():
    check(signal, sample["signals"].get(signal), value)
check("nothing that the tree has not", sorted(set(sample["signals"]) - set(expected)), ["eccUncorrectedVolatile:gfx", "retiredPages:unreservable"])

removed = answers("removed")
check("both there", [s.get("health") for s in removed[2]["samples"]], [None, None])
check("the removed one is lost", [s.get("health") for s in removed[3]["samples"]], [None, "lost"])
check("its neighbour is measured on", removed[3]["samples"][0]["signals"]["power"], 91)
check("it is listed no more", [d["id"] for d in removed[4]["devices"]], ["GPU-4f9d4a2b7c6e1001"])
sys.exit(1 if failed else 0)
