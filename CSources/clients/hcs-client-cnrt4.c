/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of CNRT 4: devices by handle, memory in MiB.
 */
#include "client.h"

int cnrtInit(unsigned flags);
int cnrtGetDeviceHandle(uint64_t *device, int ordinal);
int cnrtSetCurrentDevice(uint64_t device);
int cnrtMalloc(void **pointer, size_t bytes);
int cnrtMallocFrameBuffer(void **pointer, size_t bytes);
int cnrtFree(void *pointer);
int cnrtGetMemInfo(size_t *free_mib, size_t *total_mib, uint32_t channel);

static int device(int ordinal) {
    uint64_t handle = 0;
    int code = cnrtGetDeviceHandle(&handle, ordinal);
    return code == 0 ? cnrtSetCurrentDevice(handle) : code;
}

static int start(void) {
    int code = cnrtInit(0);
    return code == 0 ? device(0) : code;
}

static int info(size_t *free_bytes, size_t *total) {
    int code = cnrtGetMemInfo(free_bytes, total, 0);
    *free_bytes <<= 20;
    *total <<= 20;
    return code;
}

int main(int argc, char **argv) {
    static const struct client_kind kinds[] = {{"frame", cnrtMallocFrameBuffer, cnrtFree}, {NULL, NULL, NULL}};
    return client_main(&(struct client_runtime){"cnrt4", start, device, cnrtMalloc, cnrtFree, info, kinds}, argc, argv);
}
