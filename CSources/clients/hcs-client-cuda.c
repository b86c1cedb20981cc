/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

int cudaSetDevice(int device);
int cudaMalloc(void **pointer, size_t bytes);
int cudaFree(void *pointer);
int cudaMemGetInfo(size_t *free_bytes, size_t *total);

static int start(void) {
    return 0;
}

int main(int argc, char **argv) {
    return client_main(&(struct client_runtime){"cuda", start, cudaSetDevice, cudaMalloc, cudaFree, cudaMemGetInfo},
                       argc, argv);
}
