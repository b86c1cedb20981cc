/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated librocm_smi64 in three builds: Hygon's fork, and with RSMI_AMD=5 or 6 the two generations of AMD's. A lost
 * card's files are gone: Hygon's answers FILE_ERROR then, AMD's NOT_SUPPORTED. HCS_SIM_REFUSED names functions, with
 * commas between, that answer NOT_SUPPORTED.
 */
#ifndef HCS_SIM_RSMI_PRIVATE_H
#define HCS_SIM_RSMI_PRIVATE_H

#include "../../../simulation/hcs_sim_library.h"
#include "../rsmi_abi.h"

#include <stdio.h>

#ifndef RSMI_AMD
#define RSMI_AMD 0
#endif

/* For a call that is about no device. */
rsmi_status_t rsmi_enter(const char *function);
#define RSMI_ENTER() rsmi_enter(__func__)

/* For a call about one device, whose answer goes to `out`. */
rsmi_status_t rsmi_reach(const char *function, uint32_t index, const void *out, struct hcs_sim_view *view);
#define RSMI_REACH(index, out, view) rsmi_reach(__func__, index, out, view)

/* NOT_SUPPORTED where the figure is not set. */
rsmi_status_t rsmi_figure(const struct hcs_sim_view *view, enum hcs_sim_figure figure, uint64_t *ret);

uint64_t rsmi_bdfid(const struct hcs_sim_device *device);
const struct hcs_sim_link *rsmi_link(const struct hcs_sim_view *view, uint32_t lane); /* NULL: no such lane */

#endif
