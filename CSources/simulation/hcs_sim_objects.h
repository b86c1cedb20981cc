/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the runtime's parts. One mutex guards blocks, pools, physical memory and mappings; it is taken before that of
 * hcs_sim.c.
 */
#ifndef HCS_SIM_OBJECTS_H
#define HCS_SIM_OBJECTS_H

#include "hcs_sim_library.h"

void hcs_sim_objects_lock(void);
void hcs_sim_objects_unlock(void);

/* Under the lock. */
void hcs_sim_blocks_drop(bool give); /* false: they are a parent's, and this process holds nothing of them */
void hcs_sim_pools_drop(bool give);
void hcs_sim_vmm_drop(bool give);
enum hcs_sim_result hcs_sim_block_add(struct hcs_sim_block block, size_t mapped);
void hcs_sim_pool_take_back(struct hcs_sim_pool *pool, uint64_t bytes);

/* Address space; NULL where there is none left. */
void *hcs_sim_address_space(size_t bytes, enum hcs_sim_kind kind, void *hint);
size_t hcs_sim_pages(size_t bytes);

#endif
