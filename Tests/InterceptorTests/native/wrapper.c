/* SPDX-License-Identifier: Apache-2.0
 *
 * A wrapper library that exports cudaMalloc. WRAPPER=next asks for the next one by RTLD_NEXT, WRAPPER=handle by dlsym on a
 * handle of libcudart: the second must not be answered with a hook that leads back here.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

int wrapped_calls;

int cudaMalloc(void **pointer, size_t bytes) {
    static int (*next)(void **, size_t);
    __atomic_add_fetch(&wrapped_calls, 1, __ATOMIC_RELAXED);
    const char *mode = getenv("WRAPPER");
    if (!next && mode && strcmp(mode, "handle") == 0)
        next = (int (*)(void **, size_t))dlsym(dlopen("libcudart.so.12", RTLD_NOW), "cudaMalloc");
    else if (!next)
        next = (int (*)(void **, size_t))dlsym(RTLD_NEXT, "cudaMalloc");
    return next ? next(pointer, bytes) : HCS_CUDA_SYMBOL_NOT_FOUND;
}
