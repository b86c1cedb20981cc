/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

int hipSetDevice(int device);
int hipMalloc(void **pointer, size_t bytes);
int hipExtMallocWithFlags(void **pointer, size_t bytes, unsigned flags);
int hipMallocManaged(void **pointer, size_t bytes, unsigned flags);
int hipMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height);
int hipMallocAsync(void **pointer, size_t bytes, void *stream);
int hipMallocArray(void **array, const void *format, size_t width, size_t height, unsigned flags);
int hipFreeAsync(void *pointer, void *stream);
int hipFreeArray(void *array);
int hipFree(void *pointer);
int hipMemGetInfo(size_t *free_bytes, size_t *total);

static int start(void) {
    return 0;
}

static int fine(void **pointer, size_t bytes) {
    return hipExtMallocWithFlags(pointer, bytes, 1);
}
static int managed(void **pointer, size_t bytes) {
    return hipMallocManaged(pointer, bytes, 1);
}
static int pitch(void **pointer, size_t bytes) {
    size_t row;
    return hipMallocPitch(pointer, &row, 65536, (bytes + 65535) / 65536);
}
static int async(void **pointer, size_t bytes) {
    return hipMallocAsync(pointer, bytes, NULL);
}
static int array(void **pointer, size_t bytes) {
    int format[5] = {8, 0, 0, 0, 1};
    return hipMallocArray(pointer, format, 65536, (bytes + 65535) / 65536, 0);
}
static int free_async(void *pointer) {
    return hipFreeAsync(pointer, NULL);
}

int main(int argc, char **argv) {
    static const struct client_kind kinds[] = {
        {"ext", fine, hipFree},       {"managed", managed, hipFree},  {"pitch", pitch, hipFree},
        {"async", async, free_async}, {"array", array, hipFreeArray}, {NULL, NULL, NULL},
    };
    return client_main(&(struct client_runtime){"hip", start, hipSetDevice, hipMalloc, hipFree, hipMemGetInfo, kinds},
                       argc, argv);
}
