/* SPDX-License-Identifier: Apache-2.0
 * A library whose constructor allocates and asks dlsym; preloaded after the interceptor it is initialised before it. */
#include <dlfcn.h>
#include <stdlib.h>

#include "cuda_abi.h"

int early_status = -1;
int early_found;

__attribute__((constructor)) static void early(void) {
    void *pointer = NULL;
    early_found = dlsym(RTLD_DEFAULT, "malloc") != NULL;
    early_status = cudaMalloc(&pointer, (size_t)2 << 30);
}
