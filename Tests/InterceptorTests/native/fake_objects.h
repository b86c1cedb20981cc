/* SPDX-License-Identifier: Apache-2.0
 *
 * Virtual memory of a fake driver: handles that count, mappings that keep what they map. Without locks: the tests that use it
 * have one thread. A handle's number is given again as soon as it is free, as drivers do.
 */
#include "fake_memory.h"

#define OBJECTS 4096
#define FIRST_HANDLE 0x100u
#define FOREIGN_HANDLE 0x99u /* another process's memory */

static struct physical {
    uint64_t pointer;
    int handles, mappings;
} physical[OBJECTS];
static struct mapping {
    uint64_t address, bytes;
    struct physical *of;
} mappings[OBJECTS];

static struct physical *of_handle(uint64_t handle) {
    struct physical *p = handle - FIRST_HANDLE < OBJECTS ? &physical[handle - FIRST_HANDLE] : NULL;
    return p && p->handles > 0 ? p : NULL;
}

static void let_go(struct physical *p) {
    if (p->handles == 0 && p->mappings == 0 && p->pointer) {
        fake_free(p->pointer);
        p->pointer = 0;
    }
}

/* Each: 0, or 1 when it is refused. A host of -1 is memory of no device. */
static int fake_create(int host, uint64_t bytes, uint64_t *ret_handle) {
    uint64_t pointer = 0;
    if (host >= 0 && fake_allocate(host, bytes, &pointer))
        return 1;
    for (uint32_t i = 0; i < OBJECTS; i++)
        if (physical[i].handles == 0 && physical[i].mappings == 0) {
            physical[i] = (struct physical){.pointer = pointer, .handles = 1};
            *ret_handle = FIRST_HANDLE + i;
            return 0;
        }
    return 1;
}

static int fake_release(uint64_t handle) {
    struct physical *p = of_handle(handle);
    if (!p || truth()->fail_frees)
        return 1;
    p->handles--;
    let_go(p);
    return 0;
}

static int fake_map(uint64_t address, uint64_t bytes, uint64_t handle) {
    struct physical *p = of_handle(handle);
    if (!p && handle != FOREIGN_HANDLE)
        return 1;
    for (int i = 0; i < OBJECTS; i++)
        if (mappings[i].bytes == 0) {
            mappings[i] = (struct mapping){address, bytes, p};
            if (p)
                p->mappings++;
            return 0;
        }
    return 1;
}

static int fake_unmap(uint64_t address, uint64_t bytes) {
    int found = 0;
    for (int i = 0; i < OBJECTS && !truth()->fail_frees; i++)
        if (mappings[i].bytes && mappings[i].address - address < bytes) {
            found = 1;
            mappings[i].bytes = 0;
            if (mappings[i].of) {
                mappings[i].of->mappings--;
                let_go(mappings[i].of);
            }
        }
    return !found;
}

static __attribute__((unused)) int fake_retain(uint64_t address, uint64_t *ret_handle) {
    for (int i = 0; i < OBJECTS; i++)
        if (mappings[i].bytes && address - mappings[i].address < mappings[i].bytes) {
            mappings[i].of->handles++;
            *ret_handle = FIRST_HANDLE + (uint64_t)(mappings[i].of - physical);
            return 0;
        }
    return 1;
}
