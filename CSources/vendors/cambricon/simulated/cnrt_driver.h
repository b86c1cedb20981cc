/* SPDX-License-Identifier: Apache-2.0
 *
 * What the simulated CNRT libraries need of libcndrv.so. They call it as the real ones do: linked, by exported name.
 */
#ifndef CNRT_DRIVER_H
#define CNRT_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

int cnInit(unsigned);
int cnDeviceGetCount(int *);
int cnSharedContextAcquire(void **, int);
int cnCtxSetCurrent(void *);
int cnCtxSync(void);
int cnMalloc(uint64_t *, uint64_t);
int cnMallocConstant(uint64_t *, uint64_t);
int cnMallocFrameBuffer(uint64_t *, uint64_t, int);
int cnFree(uint64_t);
int cnMallocHost(void **, uint64_t);
int cnFreeHost(void *);
int cnMemGetInfo(uint64_t *, uint64_t *);
int cnMemsetD8(uint64_t, unsigned char, uint64_t);

#endif
