/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcuda.so.1: entry points by base name, version and stream flags.
 */
#include "cuda_entries.h"
#include "cuda_private.h"

#include <string.h>

enum { FOUND = 0, NOT_FOUND = 1, VERSION_TOO_LOW = 2 };
enum { LEGACY_STREAM = 1, PER_THREAD_STREAM = 2 };

/* A flag of neither kind is the legacy stream. Names with a suffix, and the empty one, are not base names. */
static CUresult look_up(const char *name, void **function, int version, uint64_t flags, int *ret_status) {
    *ret_status = NOT_FOUND;
    if (name == NULL || function == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *function = NULL;
    if (version > DRIVER_VERSION || flags > PER_THREAD_STREAM)
        return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < cuda_entry_count; i++) {
        const struct entry *e = &cuda_entries[i];
        if (strcmp(e->name, name) != 0)
            continue;
        *ret_status = VERSION_TOO_LOW;
        if (version < e->since)
            continue;
        bool per_thread = flags == PER_THREAD_STREAM && e->per_thread != NULL && version >= e->since_per_thread;
        *function = per_thread ? (void *)e->per_thread : (void *)e->function;
        *ret_status = FOUND;
        break;
    }
    return CUDA_SUCCESS;
}

/* Since 12.0 an unknown name is a success with NULL, and the reason in the status; before, it was an error. */
API cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    int found;
    CUresult result = look_up(name, function, version, flags, &found);
    if (status != NULL)
        *status = found;
    return result;
}

API cuGetProcAddress(const char *name, void **function, int version, uint64_t flags) {
    int found;
    CUresult result = look_up(name, function, version, flags, &found);
    return result == CUDA_SUCCESS && found != FOUND ? CUDA_ERROR_NOT_FOUND : result;
}

/* Private tables: none here. */
API cuGetExportTable(const void **table, const void *id) {
    (void)id;
    if (table != NULL)
        *table = NULL;
    return CUDA_ERROR_NOT_FOUND;
}
