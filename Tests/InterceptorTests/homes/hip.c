/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of the real libamdhip64, whose answers it prints.
 */
#include <stdio.h>

#include "hip_abi.h"

int main(void) {
    void *p = NULL;
    size_t a = 0, b = 0;
    int count = 0;
#define SAY(call) printf("%s %d\n", #call, call)
    SAY(hipGetDeviceCount(&count));
    SAY(hipMalloc(&p, 1 << 20));
    SAY(hipMallocManaged(&p, 1 << 20, 1));
    SAY(hipExtMallocWithFlags(&p, 1 << 20, 0));
    SAY(hipMallocPitch(&p, &a, 100, 100));
    SAY(hipMallocAsync(&p, 1 << 20, NULL));
    SAY(hipMemGetInfo(&a, &b));
    SAY(hipFree(NULL));
    return 0;
}
