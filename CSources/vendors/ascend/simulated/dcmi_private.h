/* SPDX-License-Identifier: Apache-2.0
 *
 * What both generations of the simulated libdcmi.so answer about one device (dcmi_device.c). The classic calls (dcmi.c)
 * and those of the 950 (dcmi_v2.c) differ in names and addresses only.
 */
#ifndef HCS_DCMI_PRIVATE_H
#define HCS_DCMI_PRIVATE_H

#include "../../../simulation/hcs_sim_library.h"
#include "../dcmi_abi.h"

enum hcs_dcmi_generation { HCS_DCMI_CLASSIC, HCS_DCMI_FLAT };

/* A host of 950s has the flat calls, every other the classic ones. */
int hcs_dcmi_init(enum hcs_dcmi_generation generation);
int hcs_dcmi_enter(enum hcs_dcmi_generation generation);
int hcs_dcmi_list(enum hcs_dcmi_generation generation, int *count, int *list, int capacity);
/* The device, lost or not. `out`: the caller's place for the answer. */
int hcs_dcmi_known(enum hcs_dcmi_generation generation, int index, const void *out, struct hcs_sim_view *view);
int hcs_dcmi_reachable(enum hcs_dcmi_generation generation, int index, const void *out, struct hcs_sim_view *view);
int hcs_dcmi_text(enum hcs_dcmi_generation generation, char *out, unsigned length, const char *text);

int hcs_dcmi_chip(const struct hcs_sim_view *view, struct dcmi_chip_info_v2 *info);
int hcs_dcmi_pcie(const struct hcs_sim_view *view, struct dcmi_pcie_info_all *info);
int hcs_dcmi_die(const struct hcs_sim_view *view, unsigned kind, struct dcmi_die_id *die);
int hcs_dcmi_elabel(const struct hcs_sim_view *view, struct dcmi_elabel_info *info);
int hcs_dcmi_board(const struct hcs_sim_view *view, struct dcmi_board_info *info);
int hcs_dcmi_hbm(const struct hcs_sim_view *view, struct dcmi_hbm_info *info);
int hcs_dcmi_ddr(const struct hcs_sim_view *view, struct dcmi_get_memory_info_struct *info);
int hcs_dcmi_health(const struct hcs_sim_view *view, unsigned *health);
int hcs_dcmi_errors(const struct hcs_sim_view *view, int *count, unsigned *list, unsigned capacity);
int hcs_dcmi_ecc(const struct hcs_sim_view *view, unsigned kind, struct dcmi_ecc_info *info);
int hcs_dcmi_frequency(const struct hcs_sim_view *view, unsigned kind, unsigned *mhz);
int hcs_dcmi_utilization(const struct hcs_sim_view *view, int type, unsigned *percent);
int hcs_dcmi_utilizations(const struct hcs_sim_view *view, struct dcmi_multi_utilization_info *info);
int hcs_dcmi_processes(const struct hcs_sim_view *view, struct dcmi_proc_mem_info *list, int *count);
int hcs_dcmi_info(const struct hcs_sim_view *view, unsigned command, unsigned sub, void *answer, unsigned *size);

#define HCS_DCMI_DRIVER_VERSION "24.1.rc3"

#endif
