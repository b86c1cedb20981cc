/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

int hipSetDevice(int device);
int hipMalloc(void **pointer, size_t bytes);
int hipFree(void *pointer);
int hipMemGetInfo(size_t *free_bytes, size_t *total);

static int start(void) {
    return 0;
}

int main(int argc, char **argv) {
    return client_main(&(struct client_runtime){"hip", start, hipSetDevice, hipMalloc, hipFree, hipMemGetInfo}, argc,
                       argv);
}
