# SPDX-License-Identifier: Apache-2.0
"""Calls of nvidia-ml-py against a simulated host of two cards, the second with one MIG instance."""

import ctypes
import mmap
import os
import re
import sys
import time

import pynvml as nvml

failures = 0


def check(name, call, expected):
    """`expected` is the value, or a function that judges it."""
    global failures
    try:
        value = call()
        good = expected(value) if callable(expected) else value == expected
        why = f"{value!r}"
    except Exception as error:  # whatever the client raises is the finding
        good, why = False, f"{type(error).__name__}: {error}"
    print(f"ok {name}" if good else f"FAILED {name}: {why}")
    failures += not good


def refuses(code, call):
    """The client's own error for `code`."""

    def judged():
        try:
            return call()
        except nvml.NVMLError as error:
            return error.value == code

    return judged


def poll(seconds, call):
    end = time.monotonic() + seconds
    while not (value := call()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


class State:
    """The words of the state file that a test changes (hcs_sim.h, hcs_sim_figures.h)."""

    DEVICES, DEVICE = 512, 512
    TELEMETRY = 33280 + 1024 * 1584
    ROOM, LINKS, LINK = 96, 24, 64

    def __init__(self):
        with open(os.environ["HCS_SIM_STATE"], "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        with open(os.path.join(os.environ["HCS_HEADERS"], "hcs_sim_figures.h")) as header:
            self.names = re.findall(r'^    X\(\w+, "([^"]+)"', header.read(), re.MULTILINE)

    def word(self, offset, value, width=8):
        self.map[offset : offset + width] = value.to_bytes(width, "little")

    def figure(self, device, name, value):
        size = 8 * self.ROOM + self.LINKS * self.LINK
        self.word(self.TELEMETRY + device * size + 8 * self.names.index(name), value)

    def link(self, device, lane, version, peer, crc):
        size = 8 * self.ROOM + self.LINKS * self.LINK
        offset = self.TELEMETRY + device * size + 8 * self.ROOM + lane * self.LINK
        for position, value in enumerate((version, 1, peer)):
            self.word(offset + 4 * position, value, 4)
        self.word(offset + 16, crc)


state = State()
for name, value in {
    "memory-reserved": 512 << 20,
    "ecc-corrected-volatile": 5,
    "ecc-uncorrected": 2,
    "rows-remapped-corrected": 3,
    "row-remap-pending": 1,
    "clock-events": 0x40,
    "memory-temperature": 51,
    "recovery-action": 1,
}.items():
    state.figure(0, name, value)
state.word(State.DEVICES + 176, 66)  # temperature
state.word(State.DEVICES + 184, 321_000)  # power
state.word(State.DEVICES + 192, 37)  # utilisation
state.link(0, 0, 4, 1, 17)
state.link(0, 1, 6, 0xFFFFFFFF, 23)

nvml.nvmlInit()
check("driver version", nvml.nvmlSystemGetDriverVersion, "580.65.06")
check("CUDA version", nvml.nvmlSystemGetCudaDriverVersion_v2, 13000)
check("count", nvml.nvmlDeviceGetCount, 2)
card, cut = nvml.nvmlDeviceGetHandleByIndex(0), nvml.nvmlDeviceGetHandleByIndex(1)
check("name", lambda: nvml.nvmlDeviceGetName(card), "NVIDIA H100 80GB HBM3")
check("UUID", lambda: nvml.nvmlDeviceGetUUID(card), "GPU-a1010000-0000-0000-0000-000000000000")
check("by UUID", lambda: nvml.nvmlDeviceGetIndex(nvml.nvmlDeviceGetHandleByUUID(nvml.nvmlDeviceGetUUID(cut))), 1)
pci = nvml.nvmlDeviceGetPciInfo_v3(card)
check(
    "PCI info v3",
    lambda: (pci.domain, pci.bus, pci.busId, pci.pciDeviceId),
    (0xFFFF, 0x10, "0000FFFF:10:00.0", 0x233010DE),
)
check("serial", lambda: nvml.nvmlDeviceGetSerial(card), "1650123000016")
check("VBIOS", lambda: nvml.nvmlDeviceGetVbiosVersion(card), "96.00.30.00.01")
check("compute capability", lambda: nvml.nvmlDeviceGetCudaComputeCapability(card), (9, 0))
pid = int(os.environ["HCS_CLIENT"])
check(
    "processes v3",
    lambda: poll(30, lambda: [(p.pid, p.usedGpuMemory) for p in nvml.nvmlDeviceGetComputeRunningProcesses_v3(card)]),
    [(pid, 64 << 20)],
)
check("MPS processes v3", lambda: nvml.nvmlDeviceGetMPSComputeRunningProcesses_v3(card), [])
first, second = nvml.nvmlDeviceGetMemoryInfo(card), nvml.nvmlDeviceGetMemoryInfo(card, version=nvml.nvmlMemory_v2)
check("memory v1", lambda: (first.total, first.used), (80 << 30, (512 + 64) << 20))
check("memory v2", lambda: (second.total, second.used, second.reserved), (80 << 30, 64 << 20, 512 << 20))
check("utilisation", lambda: nvml.nvmlDeviceGetUtilizationRates(card).gpu, 37)
check("temperature", lambda: nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU), 66)
check("temperature, versioned", lambda: nvml.nvmlDeviceGetTemperatureV(card, nvml.NVML_TEMPERATURE_GPU), 66)
check(
    "temperature threshold",
    lambda: nvml.nvmlDeviceGetTemperatureThreshold(card, nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),
    87,
)
check("power", lambda: nvml.nvmlDeviceGetPowerUsage(card), 321_000)
check("power limit", lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(card), 700_000)
check("energy", lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(card), 1_000_000)
check(
    "clocks",
    lambda: (
        nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_SM),
        nvml.nvmlDeviceGetMaxClockInfo(card, nvml.NVML_CLOCK_MEM),
    ),
    (1200, 2619),
)
check(
    "event reasons",
    lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(card),
    nvml.nvmlClocksEventReasonHwThermalSlowdown,
)
check(
    "PCIe link",
    lambda: (
        nvml.nvmlDeviceGetCurrPcieLinkGeneration(card),
        nvml.nvmlDeviceGetCurrPcieLinkWidth(card),
        nvml.nvmlDeviceGetPcieReplayCounter(card),
    ),
    (5, 16, 0),
)
check("ECC mode", lambda: nvml.nvmlDeviceGetEccMode(card), [1, 1])
check(
    "ECC volatile",
    lambda: nvml.nvmlDeviceGetTotalEccErrors(card, nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_VOLATILE_ECC),
    5,
)
check(
    "ECC by place",
    lambda: nvml.nvmlDeviceGetMemoryErrorCounter(
        card, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_AGGREGATE_ECC, nvml.NVML_MEMORY_LOCATION_DRAM
    ),
    2,
)
check(
    "retired pages",
    lambda: nvml.nvmlDeviceGetRetiredPages(card, nvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR),
    [],
)
check("remapped rows", lambda: tuple(nvml.nvmlDeviceGetRemappedRows(card)), (3, 0, 1, 0))
check("row histogram", lambda: nvml.nvmlDeviceGetRowRemapperHistogram(card).max, 640)
fields = [nvml.NVML_FI_DEV_MEMORY_TEMP, nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, 9999]
check(
    "field values",
    lambda: [(v.nvmlReturn, v.value.uiVal) for v in nvml.nvmlDeviceGetFieldValues(card, fields)],
    [(0, 51), (0, 1), (nvml.NVML_ERROR_NOT_SUPPORTED, 0)],
)
check("NVLink state", lambda: [nvml.nvmlDeviceGetNvLinkState(card, link) for link in (0, 1)], [1, 1])
check("NVLink end", refuses(nvml.NVML_ERROR_INVALID_ARGUMENT, lambda: nvml.nvmlDeviceGetNvLinkState(card, 2)), True)
check("NVLink errors", lambda: nvml.nvmlDeviceGetNvLinkErrorCounter(card, 0, nvml.NVML_NVLINK_ERROR_DL_CRC_FLIT), 17)
check(
    "NVLink errors of NVLink 4",
    refuses(nvml.NVML_ERROR_NOT_SUPPORTED, lambda: nvml.nvmlDeviceGetNvLinkErrorCounter(card, 1, 2)),
    True,
)
check(
    "NVLink fields",
    lambda: [
        v.value.uiVal
        for v in nvml.nvmlDeviceGetFieldValues(
            card, [(nvml.NVML_FI_DEV_NVLINK_ERROR_DL_CRC, 1), (nvml.NVML_FI_DEV_NVLINK_GET_SPEED, 1)]
        )
    ],
    [23, 26562],
)
check("NVLink peer", lambda: nvml.nvmlDeviceGetNvLinkRemotePciInfo(card, 0).busId, "0000FFFF:11:00.0")
check(
    "NVLink peer's kind",
    lambda: [nvml.nvmlDeviceGetNvLinkRemoteDeviceType(card, link) for link in (0, 1)],
    [nvml.NVML_NVLINK_DEVICE_TYPE_GPU, nvml.NVML_NVLINK_DEVICE_TYPE_SWITCH],
)
check("topology", lambda: nvml.nvmlDeviceGetTopologyCommonAncestor(card, cut), nvml.NVML_TOPOLOGY_NODE)

events = nvml.nvmlEventSetCreate()
nvml.nvmlDeviceRegisterEvents(card, nvml.nvmlEventTypeXidCriticalError, events)
check("no event", refuses(nvml.NVML_ERROR_TIMEOUT, lambda: nvml.nvmlEventSetWait_v2(events, 0)), True)
state.figure(0, "event", 79)
state.figure(0, "event-count", 1)
check(
    "event Xid 79",
    lambda: (
        lambda e: (
            e.eventType,
            e.eventData,
            ctypes.cast(e.device, ctypes.c_void_p).value == ctypes.cast(card, ctypes.c_void_p).value,
        )
    )(nvml.nvmlEventSetWait_v2(events, 1000)),
    (nvml.nvmlEventTypeXidCriticalError, 79, True),
)
nvml.nvmlEventSetFree(events)

check("MIG mode", lambda: nvml.nvmlDeviceGetMigMode(cut), [1, 1])
check("MIG mode of a whole card", refuses(nvml.NVML_ERROR_NOT_SUPPORTED, lambda: nvml.nvmlDeviceGetMigMode(card)), True)
check("MIG slots", lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(cut), 7)
part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(cut, 0)
check("MIG UUID", lambda: nvml.nvmlDeviceGetUUID(part), os.environ["HCS_MIG"])
check("MIG name", lambda: nvml.nvmlDeviceGetName(part), "NVIDIA H100 80GB HBM3 MIG 1g.10gb")
check("MIG memory", lambda: nvml.nvmlDeviceGetMemoryInfo(part).total, 10 << 30)
check("MIG attributes", lambda: nvml.nvmlDeviceGetAttributes_v2(part).gpuInstanceSliceCount, 1)
check(
    "MIG instances", lambda: (nvml.nvmlDeviceGetGpuInstanceId(part), nvml.nvmlDeviceGetComputeInstanceId(part)), (1, 0)
)
check(
    "a card's call on an instance",
    refuses(nvml.NVML_ERROR_NOT_SUPPORTED, lambda: nvml.nvmlDeviceGetPowerUsage(part)),
    True,
)
check(
    "no more instances",
    refuses(nvml.NVML_ERROR_NOT_FOUND, lambda: nvml.nvmlDeviceGetMigDeviceHandleByIndex(cut, 1)),
    True,
)

state.word(State.DEVICES + 168, 1)  # fallen off the bus
check("lost", refuses(nvml.NVML_ERROR_GPU_IS_LOST, lambda: nvml.nvmlDeviceGetPowerUsage(card)), True)
nvml.nvmlShutdown()
sys.exit(failures > 0)
