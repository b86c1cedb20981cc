/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

int cnrtSetDevice(int device);
int cnrtMalloc(void **pointer, size_t bytes);
int cnrtFree(void *pointer);
int cnrtMemGetInfo(size_t *free_bytes, size_t *total);

static int start(void) {
    return cnrtSetDevice(0);
}

int main(int argc, char **argv) {
    return client_main(&(struct client_runtime){"cnrt", start, cnrtSetDevice, cnrtMalloc, cnrtFree, cnrtMemGetInfo},
                       argc, argv);
}
