/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin that is loaded RTLD_LOCAL and brings libcudart as its own dependency: a Python extension, in short. Only its
 * local scope knows the library.
 */
#include <dlfcn.h>

#include "cuda_abi.h"

int plugin_allocate(void **pointer, size_t bytes);
int plugin_allocate(void **pointer, size_t bytes) { return cudaMalloc(pointer, bytes); }
int plugin_free(void *pointer);
int plugin_free(void *pointer) { return cudaFree(pointer); }
void *plugin_default(const char *name);
void *plugin_default(const char *name) {
    void *volatile found = dlsym(RTLD_DEFAULT, name);
    return found;
}
int (*plugin_pointer(void))(void **, size_t);
int (*plugin_pointer(void))(void **, size_t) { return cudaMalloc; }
