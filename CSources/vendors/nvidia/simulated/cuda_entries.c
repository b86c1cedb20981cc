/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcuda.so.1: what cuGetProcAddress knows. Versions are those of cudaTypedefs.h 12.9.
 */
#include "cuda_entries.h"

/* X(base name, since which CUDA version, exported function); P has a per-thread-stream variant and its version besides.
 * Newest first. */
#define ENTRY_POINTS(X, P)                                                                                             \
    X(cuInit, 2000, cuInit)                                                                                            \
    X(cuDriverGetVersion, 2020, cuDriverGetVersion)                                                                    \
    X(cuDeviceGetCount, 2000, cuDeviceGetCount)                                                                        \
    X(cuDeviceGet, 2000, cuDeviceGet)                                                                                  \
    X(cuDeviceGetName, 2000, cuDeviceGetName)                                                                          \
    X(cuDeviceGetUuid, 11040, cuDeviceGetUuid_v2)                                                                      \
    X(cuDeviceGetUuid, 9020, cuDeviceGetUuid)                                                                          \
    X(cuDeviceTotalMem, 3020, cuDeviceTotalMem_v2)                                                                     \
    X(cuDeviceTotalMem, 2000, cuDeviceTotalMem)                                                                        \
    X(cuDeviceGetAttribute, 2000, cuDeviceGetAttribute)                                                                \
    X(cuDeviceGetPCIBusId, 4010, cuDeviceGetPCIBusId)                                                                  \
    X(cuDevicePrimaryCtxRetain, 7000, cuDevicePrimaryCtxRetain)                                                        \
    X(cuDevicePrimaryCtxRelease, 11000, cuDevicePrimaryCtxRelease_v2)                                                  \
    X(cuDevicePrimaryCtxRelease, 7000, cuDevicePrimaryCtxRelease)                                                      \
    X(cuDevicePrimaryCtxGetState, 7000, cuDevicePrimaryCtxGetState)                                                    \
    X(cuDevicePrimaryCtxReset, 11000, cuDevicePrimaryCtxReset_v2)                                                      \
    X(cuDevicePrimaryCtxReset, 7000, cuDevicePrimaryCtxReset)                                                          \
    X(cuCtxCreate, 3020, cuCtxCreate_v2)                                                                               \
    X(cuCtxDestroy, 4000, cuCtxDestroy_v2)                                                                             \
    X(cuCtxDestroy, 2000, cuCtxDestroy)                                                                                \
    X(cuCtxSetCurrent, 4000, cuCtxSetCurrent)                                                                          \
    X(cuCtxGetCurrent, 4000, cuCtxGetCurrent)                                                                          \
    X(cuCtxPushCurrent, 4000, cuCtxPushCurrent_v2)                                                                     \
    X(cuCtxPopCurrent, 4000, cuCtxPopCurrent_v2)                                                                       \
    X(cuCtxGetDevice, 2000, cuCtxGetDevice)                                                                            \
    X(cuCtxSynchronize, 2000, cuCtxSynchronize)                                                                        \
    X(cuMemAlloc, 3020, cuMemAlloc_v2)                                                                                 \
    X(cuMemAlloc, 2000, cuMemAlloc)                                                                                    \
    X(cuMemAllocManaged, 6000, cuMemAllocManaged)                                                                      \
    X(cuMemAllocPitch, 3020, cuMemAllocPitch_v2)                                                                       \
    X(cuMemAllocPitch, 2000, cuMemAllocPitch)                                                                          \
    X(cuMemFree, 3020, cuMemFree_v2)                                                                                   \
    X(cuMemFree, 2000, cuMemFree)                                                                                      \
    X(cuMemGetInfo, 3020, cuMemGetInfo_v2)                                                                             \
    X(cuMemGetInfo, 2000, cuMemGetInfo)                                                                                \
    X(cuMemGetAddressRange, 3020, cuMemGetAddressRange_v2)                                                             \
    X(cuPointerGetAttribute, 4000, cuPointerGetAttribute)                                                              \
    X(cuMemAllocHost, 3020, cuMemAllocHost_v2)                                                                         \
    X(cuMemHostAlloc, 2020, cuMemHostAlloc)                                                                            \
    X(cuMemFreeHost, 2000, cuMemFreeHost)                                                                              \
    X(cuMemHostRegister, 6050, cuMemHostRegister_v2)                                                                   \
    X(cuMemHostUnregister, 4000, cuMemHostUnregister)                                                                  \
    X(cuMemHostGetDevicePointer, 3020, cuMemHostGetDevicePointer_v2)                                                   \
    P(cuMemsetD8, 3020, cuMemsetD8_v2, 7000, cuMemsetD8_v2_ptds)                                                       \
    P(cuMemcpyHtoD, 3020, cuMemcpyHtoD_v2, 7000, cuMemcpyHtoD_v2_ptds)                                                 \
    P(cuMemcpyDtoH, 3020, cuMemcpyDtoH_v2, 7000, cuMemcpyDtoH_v2_ptds)                                                 \
    P(cuMemcpyDtoD, 3020, cuMemcpyDtoD_v2, 7000, cuMemcpyDtoD_v2_ptds)                                                 \
    P(cuMemAllocAsync, 11020, cuMemAllocAsync, 11020, cuMemAllocAsync_ptsz)                                            \
    P(cuMemAllocFromPoolAsync, 11020, cuMemAllocFromPoolAsync, 11020, cuMemAllocFromPoolAsync_ptsz)                    \
    P(cuMemFreeAsync, 11020, cuMemFreeAsync, 11020, cuMemFreeAsync_ptsz)                                               \
    X(cuMemPoolCreate, 11020, cuMemPoolCreate)                                                                         \
    X(cuMemPoolDestroy, 11020, cuMemPoolDestroy)                                                                       \
    X(cuMemPoolTrimTo, 11020, cuMemPoolTrimTo)                                                                         \
    X(cuMemPoolGetAttribute, 11020, cuMemPoolGetAttribute)                                                             \
    X(cuMemPoolSetAttribute, 11020, cuMemPoolSetAttribute)                                                             \
    X(cuMemPoolSetAccess, 11020, cuMemPoolSetAccess)                                                                   \
    X(cuMemPoolGetAccess, 11020, cuMemPoolGetAccess)                                                                   \
    X(cuDeviceGetDefaultMemPool, 11020, cuDeviceGetDefaultMemPool)                                                     \
    X(cuDeviceGetMemPool, 11020, cuDeviceGetMemPool)                                                                   \
    X(cuDeviceSetMemPool, 11020, cuDeviceSetMemPool)                                                                   \
    X(cuMemGetDefaultMemPool, 13000, cuMemGetDefaultMemPool)                                                           \
    X(cuMemGetMemPool, 13000, cuMemGetMemPool)                                                                         \
    X(cuMemSetMemPool, 13000, cuMemSetMemPool)                                                                         \
    X(cuMemAddressReserve, 10020, cuMemAddressReserve)                                                                 \
    X(cuMemAddressFree, 10020, cuMemAddressFree)                                                                       \
    X(cuMemCreate, 10020, cuMemCreate)                                                                                 \
    X(cuMemRelease, 10020, cuMemRelease)                                                                               \
    X(cuMemMap, 10020, cuMemMap)                                                                                       \
    X(cuMemUnmap, 10020, cuMemUnmap)                                                                                   \
    X(cuMemSetAccess, 10020, cuMemSetAccess)                                                                           \
    X(cuMemGetAccess, 10020, cuMemGetAccess)                                                                           \
    X(cuMemGetAllocationGranularity, 10020, cuMemGetAllocationGranularity)                                             \
    X(cuMemGetAllocationPropertiesFromHandle, 10020, cuMemGetAllocationPropertiesFromHandle)                           \
    X(cuMemExportToShareableHandle, 10020, cuMemExportToShareableHandle)                                               \
    X(cuMemImportFromShareableHandle, 10020, cuMemImportFromShareableHandle)                                           \
    X(cuMemRetainAllocationHandle, 11000, cuMemRetainAllocationHandle)                                                 \
    X(cuArrayCreate, 3020, cuArrayCreate_v2)                                                                           \
    X(cuArray3DCreate, 3020, cuArray3DCreate_v2)                                                                       \
    X(cuArrayDestroy, 2000, cuArrayDestroy)                                                                            \
    X(cuMipmappedArrayCreate, 5000, cuMipmappedArrayCreate)                                                            \
    X(cuMipmappedArrayGetLevel, 5000, cuMipmappedArrayGetLevel)                                                        \
    X(cuMipmappedArrayDestroy, 5000, cuMipmappedArrayDestroy)                                                          \
    X(cuIpcGetMemHandle, 4010, cuIpcGetMemHandle)                                                                      \
    X(cuIpcOpenMemHandle, 11000, cuIpcOpenMemHandle_v2)                                                                \
    X(cuIpcOpenMemHandle, 4010, cuIpcOpenMemHandle)                                                                    \
    X(cuIpcCloseMemHandle, 4010, cuIpcCloseMemHandle)                                                                  \
    X(cuImportExternalMemory, 10000, cuImportExternalMemory)                                                           \
    X(cuExternalMemoryGetMappedBuffer, 10000, cuExternalMemoryGetMappedBuffer)                                         \
    X(cuExternalMemoryGetMappedMipmappedArray, 10000, cuExternalMemoryGetMappedMipmappedArray)                         \
    X(cuDestroyExternalMemory, 10000, cuDestroyExternalMemory)                                                         \
    X(cuStreamCreate, 2000, cuStreamCreate)                                                                            \
    X(cuStreamDestroy, 4000, cuStreamDestroy_v2)                                                                       \
    P(cuStreamSynchronize, 2000, cuStreamSynchronize, 7000, cuStreamSynchronize_ptsz)                                  \
    P(cuStreamBeginCapture, 10010, cuStreamBeginCapture_v2, 10010, cuStreamBeginCapture_v2_ptsz)                       \
    P(cuStreamEndCapture, 10000, cuStreamEndCapture, 10000, cuStreamEndCapture_ptsz)                                   \
    P(cuStreamIsCapturing, 10000, cuStreamIsCapturing, 10000, cuStreamIsCapturing_ptsz)                                \
    X(cuThreadExchangeStreamCaptureMode, 10010, cuThreadExchangeStreamCaptureMode)                                     \
    X(cuGraphCreate, 10000, cuGraphCreate)                                                                             \
    X(cuGraphDestroy, 10000, cuGraphDestroy)                                                                           \
    X(cuGraphAddMemAllocNode, 11040, cuGraphAddMemAllocNode)                                                           \
    X(cuGraphAddMemFreeNode, 11040, cuGraphAddMemFreeNode)                                                             \
    X(cuGraphInstantiate, 12000, cuGraphInstantiateWithFlags)                                                          \
    X(cuGraphInstantiate, 11000, cuGraphInstantiate_v2)                                                                \
    X(cuGraphInstantiate, 10000, cuGraphInstantiate)                                                                   \
    X(cuGraphInstantiateWithFlags, 11040, cuGraphInstantiateWithFlags)                                                 \
    P(cuGraphInstantiateWithParams, 12000, cuGraphInstantiateWithParams, 12000, cuGraphInstantiateWithParams_ptsz)     \
    X(cuGraphExecDestroy, 10000, cuGraphExecDestroy)                                                                   \
    P(cuGraphLaunch, 10000, cuGraphLaunch, 10000, cuGraphLaunch_ptsz)                                                  \
    X(cuDeviceGraphMemTrim, 11040, cuDeviceGraphMemTrim)                                                               \
    X(cuDeviceGetGraphMemAttribute, 11040, cuDeviceGetGraphMemAttribute)                                               \
    X(cuDeviceSetGraphMemAttribute, 11040, cuDeviceSetGraphMemAttribute)                                               \
    X(cuGetErrorString, 6000, cuGetErrorString)                                                                        \
    X(cuGetErrorName, 6000, cuGetErrorName)                                                                            \
    X(cuGetExportTable, 3000, cuGetExportTable)                                                                        \
    X(cuGetProcAddress, 12000, cuGetProcAddress_v2)                                                                    \
    X(cuGetProcAddress, 11030, cuGetProcAddress)

#define X(name, since, function) void function(void);
#define P(name, since, function, since_per_thread, per_thread) void function(void), per_thread(void);
ENTRY_POINTS(X, P)
#undef X
#undef P

const struct entry cuda_entries[] = {
#define X(name, since, function) {#name, since, function, 0, NULL},
#define P(name, since, function, since_per_thread, per_thread) {#name, since, function, since_per_thread, per_thread},
    ENTRY_POINTS(X, P)
#undef X
#undef P
};

const size_t cuda_entry_count = sizeof cuda_entries / sizeof *cuda_entries;
