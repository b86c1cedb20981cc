/* SPDX-License-Identifier: Apache-2.0
 * libnvidia-ml.so.1 for preload libraries that ask it at start: one device, no processes. */
#include <string.h>

static int device;
int nvmlInit(void) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlInitWithFlags(unsigned flags) { return flags != 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code ? "error" : "success"; }
int nvmlDeviceGetCount(unsigned *count) { return *count = 1, 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { return *count = 1, 0; }
int nvmlDeviceGetHandleByIndex(unsigned index, void **handle) { return *handle = &device, index != 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { return *handle = &device, index != 0; }
int nvmlDeviceGetIndex(void *handle, unsigned *index) { return *index = 0, handle == 0; }
int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned capacity) {
    strncpy(uuid, "GPU-ab000000-0000-0000-0000-000000000000", capacity);
    return handle == 0;
}
int nvmlDeviceGetComputeRunningProcesses(void *handle, unsigned *count, void *list) {
    (void)list;
    return *count = 0, handle == 0;
}
int nvmlDeviceGetComputeRunningProcesses_v2(void *handle, unsigned *count, void *list) {
    return nvmlDeviceGetComputeRunningProcesses(handle, count, list);
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, void *list) {
    return nvmlDeviceGetComputeRunningProcesses(handle, count, list);
}
