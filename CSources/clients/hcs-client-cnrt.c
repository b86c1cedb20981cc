/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

int cnrtSetDevice(int device);
int cnrtMalloc(void **pointer, size_t bytes);
int cnrtMallocConstant(void **pointer, size_t bytes);
int cnrtMallocAsync(void **pointer, size_t bytes, void *queue);
int cnrtFree(void *pointer);
int cnrtMemGetInfo(size_t *free_bytes, size_t *total);

static int start(void) {
    return cnrtSetDevice(0);
}

static int async(void **pointer, size_t bytes) {
    return cnrtMallocAsync(pointer, bytes, NULL);
}

int main(int argc, char **argv) {
    static const struct client_kind kinds[] = {
        {"constant", cnrtMallocConstant, cnrtFree}, {"async", async, cnrtFree}, {NULL, NULL, NULL}};
    return client_main(
        &(struct client_runtime){"cnrt", start, cnrtSetDevice, cnrtMalloc, cnrtFree, cnrtMemGetInfo, kinds}, argc,
        argv);
}
