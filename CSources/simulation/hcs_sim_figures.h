/* SPDX-License-Identifier: Apache-2.0
 *
 * What a simulated device measures, beyond the few figures of hcs_sim_device: integers in the units given here, each
 * library turns them into its vendor's. A figure that is not set is one that the library does not support.
 */
#ifndef HCS_SIM_FIGURES_H
#define HCS_SIM_FIGURES_H

#include <stdint.h>

#define HCS_SIM_UNSET UINT64_MAX

/* X(identifier, name for `hcs simulate set`, value of a new device) */
#define HCS_SIM_FIGURES(X)                                                                                             \
    X(MEMORY_TEMPERATURE, "memory-temperature", 42)           /* degrees Celsius */                                    \
    X(BOARD_TEMPERATURE, "board-temperature", 38)                                                                      \
    X(TEMPERATURE_SLOWDOWN, "temperature-slowdown", 87)                                                                \
    X(TEMPERATURE_SHUTDOWN, "temperature-shutdown", 92)                                                                \
    X(POWER_LIMIT, "power-limit", 700000)                     /* milliwatts */                                         \
    X(ENERGY, "energy", 1000000)                              /* millijoules */                                        \
    X(MEMORY_UTILIZATION, "memory-utilization", 0)            /* per cent */                                           \
    X(VECTOR_UTILIZATION, "vector-utilization", 0)                                                                     \
    X(CONTROL_UTILIZATION, "control-utilization", 0)                                                                   \
    X(ENCODER_UTILIZATION, "encoder-utilization", 0)                                                                   \
    X(DECODER_UTILIZATION, "decoder-utilization", 0)                                                                   \
    X(CLOCK_COMPUTE, "clock-compute", 1200)                   /* megahertz */                                          \
    X(CLOCK_COMPUTE_MAXIMUM, "clock-compute-maximum", 1980)                                                            \
    X(CLOCK_MEMORY, "clock-memory", 1600)                                                                              \
    X(CLOCK_MEMORY_MAXIMUM, "clock-memory-maximum", 2619)                                                              \
    X(ECC_MODE, "ecc-mode", 1)                                                                                         \
    X(ECC_CORRECTED, "ecc-corrected", 0)                      /* of the device's life, memory */                       \
    X(ECC_UNCORRECTED, "ecc-uncorrected", 0)                                                                           \
    X(ECC_CORRECTED_VOLATILE, "ecc-corrected-volatile", 0)                                                             \
    X(ECC_UNCORRECTED_VOLATILE, "ecc-uncorrected-volatile", 0)                                                         \
    X(ECC_CORRECTED_SRAM, "ecc-corrected-sram", 0)                                                                     \
    X(ECC_UNCORRECTED_SRAM, "ecc-uncorrected-sram", 0)                                                                 \
    X(RETIRED_SINGLE, "retired-pages-corrected", 0)                                                                    \
    X(RETIRED_DOUBLE, "retired-pages-uncorrected", 0)                                                                  \
    X(RETIRED_PENDING, "retired-pages-pending", 0)                                                                     \
    X(ROWS_CORRECTED, "rows-remapped-corrected", 0)                                                                    \
    X(ROWS_UNCORRECTED, "rows-remapped-uncorrected", 0)                                                                \
    X(ROW_PENDING, "row-remap-pending", 0)                                                                             \
    X(ROW_FAILED, "row-remap-failed", 0)                                                                               \
    X(ROW_BANKS_MAXIMUM, "row-banks-max", 640)                                                                         \
    X(ROW_BANKS_HIGH, "row-banks-high", 0)                                                                             \
    X(ROW_BANKS_PARTIAL, "row-banks-partial", 0)                                                                       \
    X(ROW_BANKS_LOW, "row-banks-low", 0)                                                                               \
    X(ROW_BANKS_NONE, "row-banks-none", 0)                                                                             \
    X(CLOCK_EVENTS, "clock-events", 0)                        /* bits as NVML has them */                              \
    X(PCIE_GENERATION, "pcie-generation", 5)                                                                           \
    X(PCIE_GENERATION_MAXIMUM, "pcie-generation-maximum", 5)                                                           \
    X(PCIE_WIDTH, "pcie-width", 16)                                                                                    \
    X(PCIE_WIDTH_MAXIMUM, "pcie-width-maximum", 16)                                                                    \
    X(PCIE_REPLAYS, "pcie-replays", 0)                                                                                 \
    X(PCIE_RECEIVE, "pcie-receive", 0)                        /* kilobytes (1000) for each second */                   \
    X(PCIE_TRANSMIT, "pcie-transmit", 0)                                                                               \
    X(MEMORY_RESERVED, "memory-reserved", HCS_SIM_UNSET)      /* bytes */                                              \
    X(RECOVERY_ACTION, "recovery-action", 0)                  /* as NVML has it */                                     \
    X(FAULT_CODE, "fault-code", 0)                            /* a code of the vendor's health call; 0 = none */       \
    X(EVENT, "event", 0)                                      /* the last fault event's code (Xid); 0 = none */        \
    X(EVENT_COUNT, "event-count", 0)                          /* events so far: a new one is one more */

enum hcs_sim_figure {
#define HCS_SIM_FIGURE(identifier, name, value) HCS_SIM_FIGURE_##identifier,
    HCS_SIM_FIGURES(HCS_SIM_FIGURE)
#undef HCS_SIM_FIGURE
        HCS_SIM_FIGURE_COUNT
};

#define HCS_SIM_FIGURE_ROOM 96u
_Static_assert(HCS_SIM_FIGURE_COUNT <= HCS_SIM_FIGURE_ROOM, "room for figures");

/* One lane between two devices. 64 bytes. */
#define HCS_SIM_LINKS 24u
#define HCS_SIM_LINK_FABRIC UINT32_MAX /* peer: a switch */
struct hcs_sim_link {
    uint32_t version; /* of the link's standard; 0 = no such lane */
    uint32_t up;
    uint32_t peer; /* position of the other device, or HCS_SIM_LINK_FABRIC */
    uint32_t reserved;
    uint64_t crc, replay, recovery, ecc; /* errors */
    uint64_t reserved1[2];
};

struct hcs_sim_telemetry {
    uint64_t figures[HCS_SIM_FIGURE_ROOM]; /* HCS_SIM_UNSET, or the value */
    struct hcs_sim_link links[HCS_SIM_LINKS];
};
_Static_assert(sizeof(struct hcs_sim_telemetry) == 768 + 24 * 64, "telemetry size");

static inline __attribute__((unused)) const char *hcs_sim_figure_name(uint32_t figure) {
    static const char *const names[] = {
#define HCS_SIM_FIGURE(identifier, name, value) name,
        HCS_SIM_FIGURES(HCS_SIM_FIGURE)
#undef HCS_SIM_FIGURE
    };
    return figure < HCS_SIM_FIGURE_COUNT ? names[figure] : "";
}

static inline __attribute__((unused)) void hcs_sim_telemetry_init(struct hcs_sim_telemetry *telemetry) {
    static const uint64_t values[] = {
#define HCS_SIM_FIGURE(identifier, name, value) value,
        HCS_SIM_FIGURES(HCS_SIM_FIGURE)
#undef HCS_SIM_FIGURE
    };
    for (uint32_t i = 0; i < HCS_SIM_FIGURE_COUNT; i++)
        telemetry->figures[i] = values[i];
}

#endif
