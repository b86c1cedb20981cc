/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of the real libcudart, whose answers it prints. Its header is not needed: the first arguments of these are the
 * same in 11, 12 and 13.
 */
#include <stdio.h>
#include <string.h>

#include "cuda_abi.h"

int cudaMallocHost(void **pointer, size_t bytes);

int main(void) {
    void *p = NULL, *stream = NULL;
    size_t a = 0, b = 0;
    int count = 0;
    char properties[4096];
    struct hcs_cuda_pitched pitched;
    struct hcs_cuda_channels channels = {{8, 0, 0, 0}, 1};
    struct hcs_cuda_extent extent = {64, 64, 4};
    memset(properties, 0, sizeof properties);
#define SAY(call) printf("%s %d\n", #call, call)
    SAY(cudaGetDeviceCount(&count));
    SAY(cudaMalloc(&p, 1 << 20));
    SAY(cudaMallocManaged(&p, 1 << 20, 1));
    SAY(cudaMallocPitch(&p, &a, 100, 100));
    SAY(cudaMalloc3D(&pitched, extent));
    SAY(cudaMallocArray(&p, &channels, 64, 64, 0));
    SAY(cudaMalloc3DArray(&p, &channels, extent, 0));
    SAY(cudaMallocMipmappedArray(&p, &channels, extent, 1, 0));
    SAY(cudaMallocAsync(&p, 1 << 20, stream));
    SAY(cudaMallocHost(&p, 1 << 20));
    SAY(cudaDeviceGetDefaultMemPool(&p, 0));
    SAY(cudaMemGetInfo(&a, &b));
    SAY(cudaFree(NULL));
    SAY(cudaFreeAsync(NULL, stream));
#if CUDART < 13
    int status = 0;
    SAY(cudaGetDeviceProperties(properties, 0));
    SAY(cudaGetDriverEntryPoint("cuMemAlloc", &p, 0, &status));
#endif
    SAY(cudaDeviceReset());
    return 0;
}
