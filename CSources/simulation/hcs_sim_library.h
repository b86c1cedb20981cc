/* SPDX-License-Identifier: Apache-2.0
 *
 * What the simulated vendor libraries share; compiled into each of them. Vendor code translates hcs_sim_result into its
 * vendor's codes and prints the 16 raw UUID bytes as its vendor does; everything else is here.
 */
#ifndef HCS_SIM_LIBRARY_H
#define HCS_SIM_LIBRARY_H

#include "../segment/hcs_segment.h"
#include "hcs_sim.h"
#include <stdbool.h>

#define HCS_SIM_EXPORT __attribute__((visibility("default")))
#define HCS_SIM_UUID_TEXT 37 /* 8-4-4-4-12 and NUL */

enum hcs_sim_result {
    HCS_SIM_OK,
    HCS_SIM_NO_DRIVER,
    HCS_SIM_NO_DEVICE,
    HCS_SIM_INVALID,
    HCS_SIM_LOST,
    HCS_SIM_OUT_OF_MEMORY,
};

/* A device of one vendor, or a MIG instance of it. `position` is the index of its figures in hcs_sim_process.usage. */
struct hcs_sim_view {
    const struct hcs_sim_device *device;
    const struct hcs_sim_mig *mig; /* NULL = the whole device */
    uint32_t position;
};

struct hcs_sim_holder {
    uint32_t pid;
    uint64_t charged;
    uint32_t flags;
};

/* Host (hcs_sim.c) */
struct hcs_sim_host *hcs_sim_attach(void); /* NULL: no state file or not a valid one */
bool hcs_sim_driver_present(uint32_t vendor);
uint32_t hcs_sim_count(uint32_t vendor);
bool hcs_sim_find(uint32_t vendor, uint32_t index, struct hcs_sim_view *ret);
bool hcs_sim_has_fault(const struct hcs_sim_device *device, uint64_t fault);
void hcs_sim_gate(uint32_t vendor); /* called first by every management call but init: hangs or crashes when told to */
void hcs_sim_name(const struct hcs_sim_device *device, char *out, size_t size);
void hcs_sim_uuid_print(const uint8_t uuid[16], char out[HCS_SIM_UUID_TEXT]);
void hcs_sim_uuid_text(const struct hcs_sim_device *device, char out[HCS_SIM_UUID_TEXT]);
uint64_t hcs_sim_memory(const struct hcs_sim_view *view);
void hcs_sim_count_call(void); /* first in every public memory function: hcs_sim_host.public_calls */

/* Processes (hcs_sim_process.c) */
uint64_t hcs_sim_used(uint32_t position);
uint32_t hcs_sim_holders(uint32_t position, struct hcs_sim_holder *out,
                         uint32_t capacity); /* returns how many there are */
enum hcs_sim_result hcs_sim_take(uint32_t position, struct hcs_sim_usage delta);
void hcs_sim_give(uint32_t position, struct hcs_sim_usage delta);

/* Runtime (hcs_sim_runtime.c): the part that all vendors' runtimes have. Ordinals count what the visibility variable
 * leaves; HCS_SIM_CURRENT is the thread's own. */
#define HCS_SIM_CURRENT (-1)
typedef void (*hcs_sim_uuid_printer)(const struct hcs_sim_view *view, char *out, size_t size);
enum hcs_sim_result hcs_sim_runtime_init(uint32_t vendor, const char *variable, hcs_sim_uuid_printer uuid);
uint32_t hcs_sim_runtime_count(void);
bool hcs_sim_runtime_device(int ordinal, struct hcs_sim_view *ret);
int hcs_sim_runtime_current(void);
enum hcs_sim_result hcs_sim_runtime_select(int ordinal);
enum hcs_sim_result hcs_sim_runtime_memory(int ordinal, size_t *ret_free, size_t *ret_total);
void hcs_sim_runtime_reset(void); /* frees all that this process allocated here */
uint64_t hcs_sim_granularity(const struct hcs_sim_view *view);
bool hcs_sim_round_up(uint64_t bytes, uint64_t granularity, uint64_t *ret);

/* Blocks (hcs_sim_blocks.c): what has an address of its own. Device memory is address space without pages behind it. */
enum hcs_sim_kind {
    HCS_SIM_LINEAR = 1,
    HCS_SIM_MANAGED = 2, /* readable and writable by the host */
    HCS_SIM_LOW = 4,     /* below 4 GiB, for the 32-bit pointers of old interfaces */
    HCS_SIM_ARRAY = 8,
    HCS_SIM_MIPMAP = 16,
    HCS_SIM_POOLED = 32,  /* from a memory pool */
    HCS_SIM_SHARED = 64,  /* another process's memory: that one pays */
    HCS_SIM_MAPPED = 128, /* external memory */
    HCS_SIM_POINTERS = HCS_SIM_LINEAR | HCS_SIM_MANAGED | HCS_SIM_LOW | HCS_SIM_POOLED | HCS_SIM_MAPPED,
};
struct hcs_sim_pool;
struct hcs_sim_block {
    void *address;
    size_t bytes;
    enum hcs_sim_kind kind;
    int ordinal;
    uint32_t position;
    uint64_t charged;
    struct hcs_sim_pool *pool;
    const void *owner; /* the context that it goes with */
};
void hcs_sim_own(const void *owner); /* of what this thread allocates from now on */
enum hcs_sim_result hcs_sim_allocate(enum hcs_sim_kind kind, int ordinal, size_t bytes, void **ret);
enum hcs_sim_result hcs_sim_alias(enum hcs_sim_kind kind, int ordinal, size_t bytes, void **ret); /* charges nothing */
enum hcs_sim_result hcs_sim_release(unsigned kinds, void *pointer);
void hcs_sim_release_all(int ordinal, unsigned kinds);
void hcs_sim_release_owned(const void *owner, unsigned kinds);
bool hcs_sim_block_of(unsigned kinds, const void *pointer, struct hcs_sim_block *ret); /* any address within it */
bool hcs_sim_owns(const void *pointer, size_t bytes); /* [pointer, +bytes) lies in one block or mapping */

/* Memory pools (hcs_sim_pool.c). A pool's reserved bytes are charged, and stay so until it is trimmed, or at a
 * synchronisation down to its release threshold. */
enum hcs_sim_pool_figure {
    HCS_SIM_POOL_THRESHOLD,
    HCS_SIM_POOL_RESERVED,
    HCS_SIM_POOL_RESERVED_HIGH,
    HCS_SIM_POOL_USED,
    HCS_SIM_POOL_USED_HIGH,
    HCS_SIM_POOL_FIGURES
};
enum hcs_sim_result hcs_sim_pool_create(int ordinal, struct hcs_sim_pool **ret);
enum hcs_sim_result hcs_sim_pool_destroy(struct hcs_sim_pool *pool);
struct hcs_sim_pool *hcs_sim_pool_default(int ordinal); /* NULL: no such device */
struct hcs_sim_pool *hcs_sim_pool_of_graphs(int ordinal);
struct hcs_sim_pool *hcs_sim_pool_current(int ordinal);
enum hcs_sim_result hcs_sim_pool_make_current(int ordinal, struct hcs_sim_pool *pool);
/* `at` NULL: at a new address; otherwise at this one, which stays reserved when the memory is freed. */
enum hcs_sim_result hcs_sim_pool_allocate(struct hcs_sim_pool *pool, size_t bytes, void *at, void **ret);
enum hcs_sim_result hcs_sim_pool_trim(struct hcs_sim_pool *pool, uint64_t keep);
enum hcs_sim_result hcs_sim_pool_get(struct hcs_sim_pool *pool, enum hcs_sim_pool_figure figure, uint64_t *ret);
enum hcs_sim_result hcs_sim_pool_set(struct hcs_sim_pool *pool, enum hcs_sim_pool_figure figure, uint64_t value);
void hcs_sim_pool_synchronise(void);
void hcs_sim_pools_end(int ordinal); /* the default one as well: a device is reset */

/* Virtual memory management (hcs_sim_vmm.c): physical memory is charged from its creation until both its handle and its
 * last mapping are gone. */
struct hcs_sim_physical;
enum hcs_sim_location { HCS_SIM_ON_DEVICE, HCS_SIM_ON_HOST };
enum hcs_sim_result hcs_sim_physical_create(enum hcs_sim_location location, int ordinal, size_t bytes,
                                            struct hcs_sim_physical **ret);
enum hcs_sim_result hcs_sim_physical_release(struct hcs_sim_physical *physical);
enum hcs_sim_result hcs_sim_physical_export(struct hcs_sim_physical *physical, int *ret_fd);
enum hcs_sim_result hcs_sim_physical_import(int fd, struct hcs_sim_physical **ret);
enum hcs_sim_result hcs_sim_physical_retain(const void *address, struct hcs_sim_physical **ret);
bool hcs_sim_physical_describe(struct hcs_sim_physical *physical, int *ret_ordinal, size_t *ret_bytes);
enum hcs_sim_result hcs_sim_address_reserve(size_t bytes, void *hint, void **ret);
enum hcs_sim_result hcs_sim_address_free(void *address, size_t bytes); /* 0 = as many as were reserved */
enum hcs_sim_result hcs_sim_map(void *address, size_t bytes, size_t offset, struct hcs_sim_physical *physical);
enum hcs_sim_result hcs_sim_unmap(void *address, size_t bytes); /* 0 = the mapping that begins here */
enum hcs_sim_result hcs_sim_set_access(const void *address, size_t bytes);
bool hcs_sim_mapping_holds(const void *address, size_t bytes);

/* Memory of other processes (hcs_sim_share.c): 64 bytes name a block of this process to another one. */
struct hcs_sim_ticket {
    uint64_t words[8];
};
enum hcs_sim_result hcs_sim_ticket_make(const void *pointer, struct hcs_sim_ticket *ret);
enum hcs_sim_result hcs_sim_ticket_open(const struct hcs_sim_ticket *ticket, void **ret);

#endif
