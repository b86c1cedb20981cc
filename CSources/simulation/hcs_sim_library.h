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

/* A device of one vendor. `position` is its index in hcs_sim_host.devices. */
struct hcs_sim_view {
    const struct hcs_sim_device *device;
    uint32_t position;
};

struct hcs_sim_holder {
    uint32_t pid;
    uint64_t charged;
};

/* Host (hcs_sim.c) */
struct hcs_sim_host *hcs_sim_attach(void); /* NULL: no state file or not a valid one */
bool hcs_sim_driver_present(uint32_t vendor);
uint32_t hcs_sim_count(uint32_t vendor);
bool hcs_sim_find(uint32_t vendor, uint32_t index, struct hcs_sim_view *ret);
bool hcs_sim_has_fault(const struct hcs_sim_device *device, uint64_t fault);
void hcs_sim_gate(uint32_t vendor); /* called first by every management call but init: hangs or crashes when told to */
void hcs_sim_name(const struct hcs_sim_device *device, char *out, size_t size);
void hcs_sim_uuid_text(const struct hcs_sim_device *device, char out[HCS_SIM_UUID_TEXT]);
uint64_t hcs_sim_used(uint32_t position);
uint32_t hcs_sim_holders(uint32_t position, struct hcs_sim_holder *out,
                         uint32_t capacity); /* returns how many there are */
enum hcs_sim_result hcs_sim_charge(uint32_t position, uint64_t bytes, uint64_t *ret_charged);
void hcs_sim_discharge(uint32_t position, uint64_t bytes, uint64_t charged);

/* Runtime (hcs_sim_runtime.c). Ordinals count what the visibility variable leaves. */
typedef void (*hcs_sim_uuid_printer)(const struct hcs_sim_device *device, char *out, size_t size);
enum hcs_sim_result hcs_sim_runtime_init(uint32_t vendor, const char *variable, hcs_sim_uuid_printer uuid);
uint32_t hcs_sim_runtime_count(void);
bool hcs_sim_runtime_device(int ordinal, struct hcs_sim_view *ret);
int hcs_sim_runtime_current(void);
enum hcs_sim_result hcs_sim_runtime_select(int ordinal);
enum hcs_sim_result hcs_sim_runtime_allocate(size_t bytes, void **ret);
enum hcs_sim_result hcs_sim_runtime_free(void *pointer);
enum hcs_sim_result hcs_sim_runtime_memory(size_t *ret_free, size_t *ret_total);
bool hcs_sim_runtime_owns(const void *pointer, size_t bytes); /* [pointer, +bytes) lies in one allocation */
void hcs_sim_runtime_reset(void);                             /* frees all that this process allocated here */

#endif
