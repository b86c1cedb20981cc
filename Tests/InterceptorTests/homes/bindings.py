# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's own Python binding of the driver allocates, is denied and asks: `bindings.py QUOTA`, in bytes, 0 for none."""
import sys

from cuda.bindings import driver

MIB = 1 << 20
OK = driver.CUresult.CUDA_SUCCESS
DENIED = driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY
quota = int(sys.argv[1])
problems = []


def done(result):
    if result[0] != OK:
        raise RuntimeError(result[0])
    return result[1] if len(result) == 2 else result[1:]


def expect(name, value, wanted):
    print(name, value)
    if value != wanted:
        problems.append(f"{name}: {value}, not {wanted}")


done(driver.cuInit(0))
device = done(driver.cuDeviceGet(0))
context = done(driver.cuDevicePrimaryCtxRetain(device))
done(driver.cuCtxSetCurrent(context))
whole = done(driver.cuDeviceTotalMem(device))
free, total = done(driver.cuMemGetInfo())
if quota:
    expect("total", total, quota)
    expect("device total", whole, quota)
expect("free", free, total)

first = done(driver.cuMemAlloc(600 * MIB))
expect("free with 600 MiB held", done(driver.cuMemGetInfo())[0], total - 600 * MIB)
second = driver.cuMemAlloc(600 * MIB)
expect("another 600 MiB", second[0], DENIED if quota else OK)
if second[0] == OK:
    done(driver.cuMemFree(second[1]))
for name, request in [
    ("managed", lambda: driver.cuMemAllocManaged(600 * MIB, 1)),
    ("asynchronous", lambda: driver.cuMemAllocAsync(600 * MIB, 0)),
    ("pitch", lambda: driver.cuMemAllocPitch(MIB, 600, 4)),
]:
    if quota:
        expect(name, request()[0], DENIED)
done(driver.cuMemFree(first))
expect("free at the end", done(driver.cuMemGetInfo())[0], total)
sys.exit("\n".join(problems) or 0)
