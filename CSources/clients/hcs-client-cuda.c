/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

struct format {
    int x, y, z, w, kind;
};
struct extent {
    size_t width, height, depth;
};
struct pitched {
    void *pointer;
    size_t pitch, width, height;
};

int cudaSetDevice(int device);
int cudaMalloc(void **pointer, size_t bytes);
int cudaMallocManaged(void **pointer, size_t bytes, unsigned flags);
int cudaMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height);
int cudaMalloc3D(struct pitched *pitched, struct extent extent);
int cudaMallocArray(void **array, const struct format *format, size_t width, size_t height, unsigned flags);
int cudaMallocAsync(void **pointer, size_t bytes, void *stream);
int cudaMallocFromPoolAsync(void **pointer, size_t bytes, void *pool, void *stream);
int cudaDeviceGetDefaultMemPool(void **pool, int device);
int cudaGetDevice(int *device);
int cudaFree(void *pointer);
int cudaFreeArray(void *array);
int cudaFreeAsync(void *pointer, void *stream);
int cudaMemGetInfo(size_t *free_bytes, size_t *total);

#define ROW 65536

static int start(void) {
    return 0;
}
static int managed(void **pointer, size_t bytes) {
    return cudaMallocManaged(pointer, bytes, 1);
}
static int pitch(void **pointer, size_t bytes) {
    size_t row;
    return cudaMallocPitch(pointer, &row, ROW, (bytes + ROW - 1) / ROW);
}
static int volume(void **pointer, size_t bytes) {
    struct pitched pitched = {0};
    int code = cudaMalloc3D(&pitched, (struct extent){ROW, (bytes + ROW - 1) / ROW, 1});
    *pointer = pitched.pointer;
    return code;
}
static int array(void **pointer, size_t bytes) {
    return cudaMallocArray(pointer, &(struct format){.x = 8, .kind = 1}, ROW, (bytes + ROW - 1) / ROW, 0);
}
static int async(void **pointer, size_t bytes) {
    return cudaMallocAsync(pointer, bytes, NULL);
}
static int pool(void **pointer, size_t bytes) {
    void *handle = NULL;
    int device = 0, code = cudaGetDevice(&device);
    if (code == 0)
        code = cudaDeviceGetDefaultMemPool(&handle, device);
    return code == 0 ? cudaMallocFromPoolAsync(pointer, bytes, handle, NULL) : code;
}
static int free_async(void *pointer) {
    return cudaFreeAsync(pointer, NULL);
}

int main(int argc, char **argv) {
    static const struct client_kind kinds[] = {
        {"managed", managed, cudaFree},
        {"pitch", pitch, cudaFree},
        {"3d", volume, cudaFree},
        {"array", array, cudaFreeArray},
        {"async", async, free_async},
        {"pool", pool, free_async},
        {NULL, NULL, NULL},
    };
    return client_main(
        &(struct client_runtime){"cuda", start, cudaSetDevice, cudaMalloc, cudaFree, cudaMemGetInfo, kinds}, argc,
        argv);
}
