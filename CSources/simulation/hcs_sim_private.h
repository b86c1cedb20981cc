/* SPDX-License-Identifier: Apache-2.0
 *
 * Between hcs_sim.c (the file and its devices) and hcs_sim_process.c (the process table).
 */
#ifndef HCS_SIM_PRIVATE_H
#define HCS_SIM_PRIVATE_H

#include "hcs_sim_library.h"

/* The host, locked against threads and processes; NULL (and not locked) without a state file. */
struct hcs_sim_host *hcs_sim_lock(void);
void hcs_sim_unlock(void);

/* Under the lock. */
int hcs_sim_file(void);          /* -1 where it cannot be opened any more */
unsigned hcs_sim_openings(void); /* of the file, by this process and its parents */
bool hcs_sim_writable(void);

uint32_t hcs_sim_device_count(const struct hcs_sim_host *host); /* bounded, whatever the file says */

#endif
