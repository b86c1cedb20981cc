/* SPDX-License-Identifier: Apache-2.0
 *
 * Built with a sanitizer linked into the program: it asks dlsym while it starts, before libc's functions work. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

static void *churn(void *result) {
    for (int i = 0; i < 5000; i++) {
        void *p = NULL, *memory = malloc((size_t)100 + (size_t)i % 50);
        if (cudaMalloc(&p, 1 << 20) == 0)
            cudaFree(p);
        free(memory);
    }
    return result;
}

int main(void) {
    pthread_t threads[4];
    void *p = NULL;
    int (*found)(void **, size_t) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "cudaMalloc");
    memcpy(&found, &symbol, sizeof found);
    if (cudaMalloc(&p, (size_t)2 << 30) != 2 || cudaMalloc(&p, 600 << 20) != 0 || cudaFree(p) != 0)
        return 1;
    if (!found || found(&p, (size_t)2 << 30) != 2)
        return 2;
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, churn, NULL))
            return 3;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
