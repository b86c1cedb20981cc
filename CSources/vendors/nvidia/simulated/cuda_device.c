/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcuda.so.1 (driver API 13.0): init, devices, contexts, errors. A forked child starts afresh, where the
 * real driver answers 3: tests fork.
 */
#include "cuda_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXTS 16 /* depth of a thread's context stack */

/* Memory by address goes with its context; pools and physical memory belong to none. */
#define OF_CONTEXT (HCS_SIM_LINEAR | HCS_SIM_MANAGED | HCS_SIM_LOW | HCS_SIM_ARRAY | HCS_SIM_MIPMAP)

struct context {
    int ordinal;
    unsigned references; /* of a primary one */
    bool created;
};
static struct context contexts[HCS_SIM_DEVICES]; /* the primary ones */
static _Thread_local CUcontext stack[CONTEXTS];
static _Thread_local int depth;
static int initialised;

static void uuid_of(const struct hcs_sim_view *view, char *out, size_t size) {
    char text[HCS_SIM_UUID_TEXT];
    hcs_sim_uuid_print(view->mig != NULL ? view->mig->uuid : view->device->uuid, text);
    snprintf(out, size, "%s-%s", view->mig != NULL ? "MIG" : "GPU", text);
}

CUresult cuda_translate(enum hcs_sim_result result) {
    switch (result) {
    case HCS_SIM_OK:
        return CUDA_SUCCESS;
    case HCS_SIM_OUT_OF_MEMORY:
        return CUDA_ERROR_OUT_OF_MEMORY;
    case HCS_SIM_INVALID:
        return CUDA_ERROR_INVALID_VALUE;
    case HCS_SIM_LOST:
        return CUDA_ERROR_DEVICE_UNAVAILABLE;
    default:
        return CUDA_ERROR_NO_DEVICE;
    }
}

CUresult cuda_ready(void) {
    if (!__atomic_load_n(&initialised, __ATOMIC_ACQUIRE))
        return CUDA_ERROR_NOT_INITIALIZED;
    return cuda_translate(hcs_sim_runtime_init(HCS_VENDOR_NVIDIA, "CUDA_VISIBLE_DEVICES", uuid_of));
}

CUresult cuda_device_at(CUdevice ordinal, const void *out, struct hcs_sim_view *view) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (out == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    return hcs_sim_runtime_device(ordinal, view) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuda_in_context(void) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (depth == 0 || stack[depth - 1] == NULL)
        return CUDA_ERROR_INVALID_CONTEXT;
    hcs_sim_own(stack[depth - 1]);
    return cuda_translate(hcs_sim_runtime_select(stack[depth - 1]->ordinal));
}

/* Init and devices */

API cuInit(unsigned flags) {
    if (flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    enum hcs_sim_result result = hcs_sim_runtime_init(HCS_VENDOR_NVIDIA, "CUDA_VISIBLE_DEVICES", uuid_of);
    if (result == HCS_SIM_OK)
        __atomic_store_n(&initialised, 1, __ATOMIC_RELEASE);
    return cuda_translate(result);
}

API cuDriverGetVersion(int *version) {
    if (version == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *version = DRIVER_VERSION;
    return CUDA_SUCCESS;
}

API cuDeviceGetCount(int *count) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (count == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *count = (int)hcs_sim_runtime_count();
    return CUDA_SUCCESS;
}

API cuDeviceGet(CUdevice *device, int ordinal) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(ordinal, device, &view);
    if (result == CUDA_SUCCESS)
        *device = ordinal;
    return result;
}

API cuDeviceGetName(char *name, int length, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, name, &view);
    if (result != CUDA_SUCCESS)
        return result;
    if (length <= 0)
        return CUDA_ERROR_INVALID_VALUE;
    hcs_sim_name(view.device, name, (size_t)length);
    size_t used = strlen(name);
    if (view.mig != NULL)
        snprintf(name + used, (size_t)length - used, " MIG %ug.%ugb", view.mig->slices,
                 (unsigned)(view.mig->memory >> 30));
    return CUDA_SUCCESS;
}

/* The first one names the card of a MIG instance, the second (11.4) the instance. */
API cuDeviceGetUuid(void *uuid, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, uuid, &view);
    if (result == CUDA_SUCCESS)
        memcpy(uuid, view.device->uuid, sizeof view.device->uuid);
    return result;
}

API cuDeviceGetUuid_v2(void *uuid, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, uuid, &view);
    if (result == CUDA_SUCCESS)
        memcpy(uuid, view.mig != NULL ? view.mig->uuid : view.device->uuid, sizeof view.device->uuid);
    return result;
}

API cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, bytes, &view);
    if (result == CUDA_SUCCESS)
        *bytes = hcs_sim_memory(&view);
    return result;
}

/* Of 32-bit times. */
API cuDeviceTotalMem(unsigned *bytes, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, bytes, &view);
    if (result == CUDA_SUCCESS)
        *bytes = hcs_sim_memory(&view) < UINT32_MAX ? (unsigned)hcs_sim_memory(&view) : UINT32_MAX;
    return result;
}

API cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, value, &view);
    if (result != CUDA_SUCCESS)
        return result;
    switch (attribute) {
    case 16:
        *value = 132;
        break; /* MULTIPROCESSOR_COUNT */
    case 33:
        *value = (int)view.device->pci_bus;
        break; /* PCI_BUS_ID */
    case 34:
        *value = (int)view.device->pci_device;
        break; /* PCI_DEVICE_ID */
    case 50:
        *value = (int)view.device->pci_domain;
        break; /* PCI_DOMAIN_ID */
    case 75:
        *value = 9;
        break; /* COMPUTE_CAPABILITY_MAJOR */
    case 41:   /* UNIFIED_ADDRESSING */
    case 83:   /* MANAGED_MEMORY */
    case 102:  /* VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED */
    case 103:  /* HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED */
    case 115:  /* MEMORY_POOLS_SUPPORTED */
        *value = 1;
        break;
    default:
        *value = 0;
    }
    return CUDA_SUCCESS;
}

API cuDeviceGetPCIBusId(char *text, int length, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, text, &view);
    if (result != CUDA_SUCCESS)
        return result;
    const struct hcs_sim_device *d = view.device;
    int n = snprintf(text, length > 0 ? (size_t)length : 0, "%04x:%02x:%02x.%x", d->pci_domain, d->pci_bus,
                     d->pci_device, d->pci_function);
    return n < length ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Contexts */

API cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, context, &view);
    if (result != CUDA_SUCCESS)
        return result;
    if (hcs_sim_has_fault(view.device, HCS_SIM_FAULT_LOST))
        return CUDA_ERROR_DEVICE_UNAVAILABLE;
    contexts[device].ordinal = device;
    __atomic_add_fetch(&contexts[device].references, 1, __ATOMIC_ACQ_REL);
    *context = &contexts[device];
    return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, "", &view);
    if (result != CUDA_SUCCESS)
        return result;
    if (__atomic_load_n(&contexts[device].references, __ATOMIC_ACQUIRE) == 0)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (__atomic_sub_fetch(&contexts[device].references, 1, __ATOMIC_ACQ_REL) == 0)
        hcs_sim_release_owned(&contexts[device], OF_CONTEXT);
    return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, active, &view);
    if (result != CUDA_SUCCESS)
        return result;
    if (flags != NULL)
        *flags = 0;
    *active = __atomic_load_n(&contexts[device].references, __ATOMIC_ACQUIRE) != 0;
    return CUDA_SUCCESS;
}

/* Whoever has retained the context keeps it, without its memory. */
API cuDevicePrimaryCtxReset_v2(CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, "", &view);
    if (result == CUDA_SUCCESS)
        hcs_sim_release_owned(&contexts[device], OF_CONTEXT);
    return result;
}

API cuDevicePrimaryCtxRelease(CUdevice device) {
    return cuDevicePrimaryCtxRelease_v2(device);
}
API cuDevicePrimaryCtxReset(CUdevice device) {
    return cuDevicePrimaryCtxReset_v2(device);
}

API cuCtxSetCurrent(CUcontext context) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (depth == 0)
        depth = 1;
    stack[depth - 1] = context;
    return CUDA_SUCCESS;
}

API cuCtxGetCurrent(CUcontext *context) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (context == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *context = depth > 0 ? stack[depth - 1] : NULL;
    return CUDA_SUCCESS;
}

API cuCtxPushCurrent_v2(CUcontext context) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (context == NULL || depth == CONTEXTS)
        return CUDA_ERROR_INVALID_CONTEXT;
    stack[depth++] = context;
    return CUDA_SUCCESS;
}

API cuCtxPopCurrent_v2(CUcontext *context) {
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    depth--;
    if (context != NULL)
        *context = stack[depth];
    return CUDA_SUCCESS;
}

API cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device) {
    struct hcs_sim_view view;
    (void)flags;
    CUresult result = cuda_device_at(device, context, &view);
    if (result != CUDA_SUCCESS)
        return result;
    if (hcs_sim_has_fault(view.device, HCS_SIM_FAULT_LOST))
        return CUDA_ERROR_DEVICE_UNAVAILABLE;
    CUcontext made = malloc(sizeof *made);
    if (made == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *made = (struct context){.ordinal = device, .created = true};
    result = cuCtxPushCurrent_v2(made);
    if (result == CUDA_SUCCESS)
        *context = made;
    else
        free(made);
    return result;
}

/* The structure stays: another thread may have it on its stack. */
API cuCtxDestroy_v2(CUcontext context) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (context == NULL || !__atomic_exchange_n(&context->created, false, __ATOMIC_ACQ_REL))
        return CUDA_ERROR_INVALID_CONTEXT;
    if (depth > 0 && stack[depth - 1] == context)
        depth--;
    hcs_sim_release_owned(context, OF_CONTEXT);
    return CUDA_SUCCESS;
}
API cuCtxDestroy(CUcontext context) {
    return cuCtxDestroy_v2(context);
}

API cuCtxGetDevice(CUdevice *device) {
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (device == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *device = stack[depth - 1]->ordinal;
    return CUDA_SUCCESS;
}

API cuCtxSynchronize(void) {
    CUresult result = cuda_in_context();
    if (result == CUDA_SUCCESS)
        hcs_sim_pool_synchronise();
    return result;
}

/* Errors */

#define ERRORS(X)                                                                                                      \
    X(CUDA_SUCCESS, "no error")                                                                                        \
    X(CUDA_ERROR_INVALID_VALUE, "invalid argument")                                                                    \
    X(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")                                                                       \
    X(CUDA_ERROR_NOT_INITIALIZED, "initialization error")                                                              \
    X(CUDA_ERROR_DEVICE_UNAVAILABLE, "CUDA-capable device(s) is/are busy or unavailable")                              \
    X(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected")                                                      \
    X(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal")                                                             \
    X(CUDA_ERROR_INVALID_CONTEXT, "invalid device context")                                                            \
    X(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle")                                                            \
    X(CUDA_ERROR_NOT_FOUND, "named symbol not found")                                                                  \
    X(CUDA_ERROR_NOT_SUPPORTED, "operation not supported")

static CUresult describe(CUresult error, bool name, const char **text) {
    static const struct {
        CUresult code;
        const char *name, *text;
    } known[] = {
#define X(code, text) {code, #code, text},
        ERRORS(X)
#undef X
    };
    if (text == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *text = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code == error)
            *text = name ? known[i].name : known[i].text;
    }
    return *text != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API cuGetErrorString(CUresult error, const char **text) {
    return describe(error, false, text);
}
API cuGetErrorName(CUresult error, const char **text) {
    return describe(error, true, text);
}
