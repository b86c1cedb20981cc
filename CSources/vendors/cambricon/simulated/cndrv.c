/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcndrv.so: Cambricon's driver interface. Names and codes: cn_api.h 2.15; the layout of an allocation's
 * properties is taken to be that of CUDA's, whose shape the interface follows. Linked -Bsymbolic-functions: what
 * cnGetExportFunction gives out are the library's own addresses.
 */
#include "../../../simulation/hcs_sim_library.h"

#include <stdlib.h>
#include <string.h>

#define API HCS_SIM_EXPORT CNresult

typedef int CNresult;
typedef int CNdev;
typedef uint64_t CNaddr;
typedef struct context *CNcontext;
enum {
    CN_SUCCESS = 0,
    CN_ERROR_NOT_INITIALIZED = 100002,
    CN_ERROR_NO_DEVICE = 100004,
    CN_ERROR_INVALID_DEVICE = 100005,
    CN_ERROR_INVALID_VALUE = 100006,
    CN_ERROR_UNKNOWN = 100007,
    CN_ERROR_NOT_SUPPORTED = 100050,
    CN_CONTEXT_ERROR_INVALID = 100031,
    CN_MEMORY_ERROR_OUT_OF_MEMORY = 100100,
    CN_MEMORY_ERROR_INVALID_ADDRESS = 100102,
};

struct context {
    int ordinal;
};
static struct context contexts[HCS_SIM_DEVICES];
static _Thread_local CNcontext current;
static int initialised;

static void *address_of(CNaddr address) {
    return (void *)(uintptr_t)address;
}

static CNresult translate(enum hcs_sim_result result) {
    switch (result) {
    case HCS_SIM_OK:
        return CN_SUCCESS;
    case HCS_SIM_OUT_OF_MEMORY:
        return CN_MEMORY_ERROR_OUT_OF_MEMORY;
    case HCS_SIM_INVALID:
        return CN_ERROR_INVALID_VALUE;
    case HCS_SIM_LOST:
        return CN_ERROR_UNKNOWN;
    default:
        return CN_ERROR_NO_DEVICE;
    }
}

static CNresult ready(void) {
    if (!__atomic_load_n(&initialised, __ATOMIC_ACQUIRE))
        return CN_ERROR_NOT_INITIALIZED;
    return translate(hcs_sim_runtime_init(HCS_VENDOR_CAMBRICON, "MLU_VISIBLE_DEVICES", NULL));
}

static CNresult in_context(void) {
    CNresult result = ready();
    if (result != CN_SUCCESS)
        return result;
    return current == NULL ? CN_CONTEXT_ERROR_INVALID : translate(hcs_sim_runtime_select(current->ordinal));
}

static CNresult device_at(CNdev device, const void *out, struct hcs_sim_view *view) {
    CNresult result = ready();
    if (result != CN_SUCCESS)
        return result;
    if (out == NULL)
        return CN_ERROR_INVALID_VALUE;
    return hcs_sim_runtime_device(device, view) ? CN_SUCCESS : CN_ERROR_INVALID_DEVICE;
}

/* Devices and contexts: one per device */

API cnInit(unsigned flags) {
    if (flags != 0)
        return CN_ERROR_INVALID_VALUE;
    enum hcs_sim_result result = hcs_sim_runtime_init(HCS_VENDOR_CAMBRICON, "MLU_VISIBLE_DEVICES", NULL);
    if (result == HCS_SIM_OK)
        __atomic_store_n(&initialised, 1, __ATOMIC_RELEASE);
    return translate(result);
}

API cnDeviceGetCount(int *count) {
    CNresult result = ready();
    if (result != CN_SUCCESS)
        return result;
    if (count == NULL)
        return CN_ERROR_INVALID_VALUE;
    *count = (int)hcs_sim_runtime_count();
    return CN_SUCCESS;
}

API cnDeviceGet(CNdev *device, int ordinal) {
    struct hcs_sim_view view;
    CNresult result = device_at(ordinal, device, &view);
    if (result == CN_SUCCESS)
        *device = ordinal;
    return result;
}

API cnDeviceTotalMem(uint64_t *bytes, CNdev device) {
    struct hcs_sim_view view;
    CNresult result = device_at(device, bytes, &view);
    if (result == CN_SUCCESS)
        *bytes = view.device->memory;
    return result;
}

API cnSharedContextAcquire(CNcontext *context, CNdev device) {
    struct hcs_sim_view view;
    CNresult result = device_at(device, context, &view);
    if (result != CN_SUCCESS)
        return result;
    if (hcs_sim_has_fault(view.device, HCS_SIM_FAULT_LOST))
        return CN_ERROR_UNKNOWN;
    contexts[device].ordinal = device;
    *context = &contexts[device];
    return CN_SUCCESS;
}

API cnCtxSetCurrent(CNcontext context) {
    CNresult result = ready();
    if (result == CN_SUCCESS)
        current = context;
    return result;
}

API cnCtxGetCurrent(CNcontext *context) {
    if (context == NULL)
        return CN_ERROR_INVALID_VALUE;
    *context = current;
    return current != NULL ? CN_SUCCESS : CN_CONTEXT_ERROR_INVALID;
}

API cnCtxCreate(CNcontext *context, unsigned flags, CNdev device) {
    (void)flags;
    CNresult result = cnSharedContextAcquire(context, device);
    return result == CN_SUCCESS ? cnCtxSetCurrent(*context) : result;
}

API cnCtxDestroy(CNcontext context) {
    if (context == NULL)
        return CN_ERROR_INVALID_VALUE;
    if (current == context)
        current = NULL;
    return CN_SUCCESS;
}

API cnCtxGetDevice(CNdev *device) {
    CNresult result = in_context();
    if (result != CN_SUCCESS)
        return result;
    if (device == NULL)
        return CN_ERROR_INVALID_VALUE;
    *device = current->ordinal;
    return CN_SUCCESS;
}

API cnCtxSync(void) {
    return in_context();
}

/* Memory */

static CNresult allocate(CNaddr *pointer, uint64_t bytes) {
    void *address = NULL;
    hcs_sim_count_call();
    CNresult result = in_context();
    if (result != CN_SUCCESS)
        return result;
    if (pointer == NULL || bytes == 0)
        return CN_ERROR_INVALID_VALUE;
    result = translate(hcs_sim_allocate(HCS_SIM_LINEAR, HCS_SIM_CURRENT, bytes, &address));
    if (result == CN_SUCCESS)
        *pointer = (uintptr_t)address;
    return result;
}

API cnMalloc(CNaddr *pointer, uint64_t bytes) {
    return allocate(pointer, bytes);
}
API cnMallocSecurity(CNaddr *pointer, uint64_t bytes) {
    return allocate(pointer, bytes);
}
API cnZmalloc(CNaddr *pointer, uint64_t bytes) {
    return allocate(pointer, bytes);
}
API cnMallocConstant(CNaddr *pointer, uint64_t bytes) {
    return allocate(pointer, bytes);
}
API cnMallocPeerAble(CNaddr *pointer, uint64_t bytes) {
    return allocate(pointer, bytes);
}

static CNresult allocate_on_node(CNaddr *pointer, uint64_t bytes, int node) {
    return node < 0 ? CN_ERROR_INVALID_VALUE : allocate(pointer, bytes);
}

API cnMallocNode(CNaddr *pointer, uint64_t bytes, int node) {
    return allocate_on_node(pointer, bytes, node);
}
API cnZmallocNode(CNaddr *pointer, uint64_t bytes, int node) {
    return allocate_on_node(pointer, bytes, node);
}
API cnMallocNodeConstant(CNaddr *pointer, uint64_t bytes, int node) {
    return allocate_on_node(pointer, bytes, node);
}
API cnMallocFrameBuffer(CNaddr *pointer, uint64_t bytes, int node) {
    return allocate_on_node(pointer, bytes, node);
}

API cnFree(CNaddr pointer) {
    hcs_sim_count_call();
    CNresult result = ready();
    if (result != CN_SUCCESS)
        return result;
    enum hcs_sim_result outcome = hcs_sim_release(HCS_SIM_POINTERS, address_of(pointer));
    return outcome == HCS_SIM_INVALID ? CN_MEMORY_ERROR_INVALID_ADDRESS : translate(outcome);
}

API cnMallocHost(void **pointer, uint64_t bytes) {
    if (pointer == NULL || bytes == 0)
        return CN_ERROR_INVALID_VALUE;
    *pointer = malloc(bytes);
    return *pointer != NULL ? CN_SUCCESS : CN_MEMORY_ERROR_OUT_OF_MEMORY;
}

API cnFreeHost(void *pointer) {
    free(pointer);
    return CN_SUCCESS;
}

API cnMemGetInfo(uint64_t *free_bytes, uint64_t *total) {
    CNresult result = in_context();
    if (result != CN_SUCCESS)
        return result;
    if (free_bytes == NULL || total == NULL)
        return CN_ERROR_INVALID_VALUE;
    return translate(hcs_sim_runtime_memory(HCS_SIM_CURRENT, free_bytes, total));
}

API cnMemGetNodeInfo(uint64_t *free_bytes, uint64_t *total, int node) {
    return node < 0 ? CN_ERROR_INVALID_VALUE : cnMemGetInfo(free_bytes, total);
}

API cnMemsetD8(CNaddr pointer, unsigned char value, uint64_t count) {
    (void)value;
    CNresult result = in_context();
    if (result != CN_SUCCESS)
        return result;
    return hcs_sim_owns(address_of(pointer), count) ? CN_SUCCESS : CN_MEMORY_ERROR_INVALID_ADDRESS;
}

/* Virtual memory */

struct properties {
    int type, handle_types;
    struct {
        int type, id; /* 1 = device */
    } location;
    void *security;
    uint8_t flags[8];
};

API cnMemGetAllocationGranularity(size_t *granularity, const struct properties *properties, int option) {
    struct hcs_sim_view view;
    (void)option;
    if (properties == NULL)
        return CN_ERROR_INVALID_VALUE;
    CNresult result = device_at(properties->location.id, granularity, &view);
    if (result == CN_SUCCESS)
        *granularity = hcs_sim_granularity(&view);
    return result;
}

API cnMemCreate(uint64_t *handle, uint64_t bytes, const struct properties *properties, uint64_t flags) {
    struct hcs_sim_physical *physical = NULL;
    struct hcs_sim_view view;
    hcs_sim_count_call();
    if (properties == NULL || properties->location.type != 1)
        return CN_ERROR_INVALID_VALUE;
    CNresult result = device_at(properties->location.id, handle, &view);
    if (result != CN_SUCCESS)
        return result;
    if (bytes == 0 || bytes % hcs_sim_granularity(&view) != 0 || flags != 0)
        return CN_ERROR_INVALID_VALUE;
    result = translate(hcs_sim_physical_create(HCS_SIM_ON_DEVICE, properties->location.id, bytes, &physical));
    if (result == CN_SUCCESS)
        *handle = (uintptr_t)physical;
    return result;
}

API cnMemRelease(uint64_t handle) {
    hcs_sim_count_call();
    CNresult result = ready();
    return result == CN_SUCCESS ? translate(hcs_sim_physical_release(address_of(handle))) : result;
}

API cnMemAddressReserve(CNaddr *pointer, uint64_t bytes, uint64_t alignment, CNaddr hint, uint64_t flags) {
    void *address = NULL;
    (void)alignment;
    CNresult result = ready();
    if (result != CN_SUCCESS)
        return result;
    if (pointer == NULL || bytes == 0 || flags != 0)
        return CN_ERROR_INVALID_VALUE;
    result = translate(hcs_sim_address_reserve(bytes, address_of(hint), &address));
    if (result == CN_SUCCESS)
        *pointer = (uintptr_t)address;
    return result;
}

API cnMemAddressFree(CNaddr pointer, uint64_t bytes) {
    CNresult result = ready();
    return result == CN_SUCCESS ? translate(hcs_sim_address_free(address_of(pointer), bytes)) : result;
}

API cnMemMap(CNaddr pointer, uint64_t bytes, uint64_t offset, uint64_t handle, uint64_t flags) {
    CNresult result = ready();
    if (result != CN_SUCCESS)
        return result;
    if (flags != 0)
        return CN_ERROR_INVALID_VALUE;
    return translate(hcs_sim_map(address_of(pointer), bytes, offset, address_of(handle)));
}

API cnMemUnmap(CNaddr pointer, uint64_t bytes) {
    CNresult result = ready();
    return result == CN_SUCCESS ? translate(hcs_sim_unmap(address_of(pointer), bytes)) : result;
}

API cnMemSetAccess(CNaddr pointer, uint64_t bytes, const void *access, uint64_t count) {
    if (access == NULL || count == 0)
        return CN_ERROR_INVALID_VALUE;
    return translate(hcs_sim_set_access(address_of(pointer), bytes));
}

/* Functions by name */

API cnGetExportFunction(const char *name, const void **function) {
    static const struct {
        const char *name;
        const void *function;
    } known[] = {
#define X(name) {#name, (const void *)name}
        X(cnMalloc),         X(cnMallocSecurity),     X(cnZmalloc),
        X(cnMallocConstant), X(cnMallocPeerAble),     X(cnMallocNode),
        X(cnZmallocNode),    X(cnMallocNodeConstant), X(cnMallocFrameBuffer),
        X(cnFree),           X(cnMemGetInfo),         X(cnMemGetNodeInfo),
        X(cnMemCreate),      X(cnMemRelease),         X(cnMemMap),
        X(cnMemUnmap),       X(cnMemAddressReserve),  X(cnMemAddressFree),
        X(cnDeviceTotalMem), X(cnCtxGetDevice),
#undef X
    };
    if (name == NULL || function == NULL)
        return CN_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        *function = known[i].function;
        return CN_SUCCESS;
    }
    return CN_ERROR_NOT_SUPPORTED;
}
