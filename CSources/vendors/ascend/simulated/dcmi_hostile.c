/* SPDX-License-Identifier: Apache-2.0
 *
 * A libdcmi.so of both generations whose answers are garbage. Only what a device is found by holds, most of the time.
 */
#include "../../hostile.h"
#include "../dcmi_abi.h"

/* Most calls answer OK; the rest any code there is, and some that is not. */
static int outcome(void) {
    uint64_t draw = hostile_next();
    return draw % 8 != 0 ? DCMI_OK : (int)(-8001 - (int)(draw >> 8) % 300);
}

static int fill(void *out, size_t size) {
    hostile_fill(out, size);
    return outcome();
}

static int list(int *count, int *list, int capacity) {
    hostile_seed(HCS_VENDOR_ASCEND);
    for (int i = 0; i < capacity; i++)
        list[i] = i % 2 ? i / 2 : (int)hostile_word();
    list[0] = 0;
    *count = hostile_next() % 8 == 0 ? (int)hostile_word() : 4;
    return DCMI_OK;
}

/* The first answers are good: a device without memory is none. */
static int memory(struct dcmi_hbm_info *info) {
    static int asked;
    hostile_fill(info, sizeof *info);
    if (asked++ < 4 || hostile_next() % 2 != 0)
        info->memory_size = 65536;
    return asked <= 4 ? DCMI_OK : outcome();
}

static int processes(struct dcmi_proc_mem_info *entries, int *count) {
    hostile_fill(entries, (size_t)*count * sizeof *entries);
    *count = hostile_next() % 8 == 0 ? (int)hostile_word() : 3;
    return outcome();
}

static int errors(int *count, unsigned *codes, unsigned capacity) {
    hostile_fill(codes, capacity * sizeof *codes);
    *count = (int)hostile_word();
    return outcome();
}

static int info(void *answer, unsigned *size) {
    hostile_fill(answer, *size);
    if (hostile_next() % 4 == 0)
        *size = hostile_word();
    return outcome();
}

/* Functions that fill one answer: of a card's device, of a device, and with a kind before the answer. */
#define CARD(name, type)                                                                                               \
    HCS_SIM_EXPORT int dcmi_##name(int card, int device, type *out) {                                                  \
        (void)card, (void)device;                                                                                      \
        return fill(out, sizeof *out);                                                                                 \
    }
#define FLAT(name, type)                                                                                               \
    HCS_SIM_EXPORT int dcmiv2_##name(int device, type *out) {                                                          \
        (void)device;                                                                                                  \
        return fill(out, sizeof *out);                                                                                 \
    }
#define CARD_KIND(name, type)                                                                                          \
    HCS_SIM_EXPORT int dcmi_##name(int card, int device, unsigned kind, type *out) {                                   \
        (void)card, (void)device, (void)kind;                                                                          \
        return fill(out, sizeof *out);                                                                                 \
    }
#define FLAT_KIND(name, type)                                                                                          \
    HCS_SIM_EXPORT int dcmiv2_##name(int device, unsigned kind, type *out) {                                           \
        (void)device, (void)kind;                                                                                      \
        return fill(out, sizeof *out);                                                                                 \
    }

CARD(get_device_chip_info, struct dcmi_chip_info)
CARD(get_device_chip_info_v2, struct dcmi_chip_info_v2)
CARD(get_device_pcie_info_v2, struct dcmi_pcie_info_all)
CARD(get_device_elabel_info, struct dcmi_elabel_info)
CARD(get_device_board_info, struct dcmi_board_info)
CARD(get_device_memory_info_v3, struct dcmi_get_memory_info_struct)
CARD(get_memory_info, struct dcmi_memory_info_struct)
CARD(get_device_temperature, int)
CARD(get_device_power_info, int)
CARD(get_device_health, unsigned)
CARD(get_device_multi_utilization_rate, struct dcmi_multi_utilization_info)
CARD_KIND(get_device_ecc_info, struct dcmi_ecc_info)
CARD_KIND(get_device_frequency, unsigned)
CARD_KIND(get_device_utilization_rate, unsigned)
FLAT(get_device_chip_info, struct dcmi_chip_info_v2)
FLAT(get_device_pcie_info, struct dcmi_pcie_info_all)
FLAT(get_device_elabel_info, struct dcmi_elabel_info)
FLAT(get_device_board_info, struct dcmi_board_info)
FLAT(get_device_temperature, int)
FLAT(get_device_power_info, int)
FLAT(get_device_health, unsigned)
FLAT(get_device_multi_utilization_rate, struct dcmi_multi_utilization_info)
FLAT_KIND(get_device_ecc_info, struct dcmi_ecc_info)
FLAT_KIND(get_device_frequency, unsigned)
FLAT_KIND(get_device_utilization_rate, unsigned)

/* A host of 950s has the flat calls. */
HCS_SIM_EXPORT int dcmi_init(void) {
    struct hcs_sim_view view;
    bool flat = hcs_sim_find(HCS_VENDOR_ASCEND, 0, &view) && strncmp(view.device->name, "950", 3) == 0;
    return flat ? DCMI_ERR_CODE_NOT_SUPPORT : DCMI_OK;
}

HCS_SIM_EXPORT int dcmi_get_driver_version(char *version, unsigned length) {
    return fill(version, length);
}

HCS_SIM_EXPORT int dcmi_get_card_list(int *count, int *out, int capacity) {
    return list(count, out, capacity);
}

HCS_SIM_EXPORT int dcmi_get_device_num_in_card(int card, int *count) {
    *count = card == 0 || hostile_next() % 8 != 0 ? 2 : (int)hostile_word();
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmi_get_device_type(int card, int device, unsigned *type) {
    *type = card == 0 && device == 0 ? DCMI_UNIT_TYPE_NPU : hostile_word();
    return outcome();
}

HCS_SIM_EXPORT int dcmi_get_device_logic_id(int *logic, int card, int device) {
    (void)card, (void)device;
    return fill(logic, sizeof *logic);
}

HCS_SIM_EXPORT int dcmi_get_device_die_v2(int card, int device, unsigned kind, struct dcmi_die_id *out) {
    (void)kind;
    hostile_fill(out, sizeof *out);
    for (int i = 0; i < 5 && device == 0; i++)
        out->soc_die[i] = 0x1000u + (unsigned)card;
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmi_get_version(int card, int device, char *version, unsigned capacity, int *length) {
    (void)card, (void)device;
    *length = (int)hostile_word();
    return fill(version, capacity);
}

HCS_SIM_EXPORT int dcmi_get_topo_info_by_device_id(int card1, int device1, int card2, int device2, int *type) {
    (void)card1, (void)device1, (void)card2, (void)device2;
    return fill(type, sizeof *type);
}

HCS_SIM_EXPORT int dcmi_get_device_hbm_info(int card, int device, struct dcmi_hbm_info *out) {
    (void)card, (void)device;
    return memory(out);
}

HCS_SIM_EXPORT int dcmi_mcu_get_power_info(int card, int *out) {
    (void)card;
    return fill(out, sizeof *out);
}

HCS_SIM_EXPORT int dcmi_get_device_errorcode_v2(int card, int device, int *count, unsigned *codes, unsigned capacity) {
    (void)card, (void)device;
    return errors(count, codes, capacity);
}

HCS_SIM_EXPORT int dcmi_get_device_resource_info(int card, int device, struct dcmi_proc_mem_info *out, int *count) {
    (void)card, (void)device;
    return processes(out, count);
}

HCS_SIM_EXPORT int dcmi_get_device_info(int card, int device, unsigned command, unsigned sub, void *out,
                                        unsigned *size) {
    (void)card, (void)device, (void)command, (void)sub;
    return info(out, size);
}

HCS_SIM_EXPORT int dcmiv2_init(void) {
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmiv2_get_driver_version(char *version, unsigned length) {
    return fill(version, length);
}

HCS_SIM_EXPORT int dcmiv2_get_device_list(int *out, int *count, int capacity) {
    return list(count, out, capacity);
}

HCS_SIM_EXPORT int dcmiv2_get_device_type(int device, unsigned *type) {
    *type = device == 0 ? DCMI_UNIT_TYPE_NPU : hostile_word();
    return outcome();
}

HCS_SIM_EXPORT int dcmiv2_get_device_die_id(int device, unsigned kind, struct dcmi_die_id *out) {
    (void)kind;
    for (int i = 0; i < 5; i++)
        out->soc_die[i] = 0x1000u + (unsigned)device;
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmiv2_get_device_hbm_info(int device, struct dcmi_hbm_info *out) {
    (void)device;
    return memory(out);
}

HCS_SIM_EXPORT int dcmiv2_get_device_error_code_list(int device, int *count, unsigned *codes, unsigned capacity) {
    (void)device;
    return errors(count, codes, capacity);
}

HCS_SIM_EXPORT int dcmiv2_get_device_proc_mem_info(int device, struct dcmi_proc_mem_info *out, int *count) {
    (void)device;
    return processes(out, count);
}

HCS_SIM_EXPORT int dcmiv2_get_device_info(int device, unsigned command, unsigned sub, void *out, unsigned *size) {
    (void)device, (void)command, (void)sub;
    return info(out, size);
}
