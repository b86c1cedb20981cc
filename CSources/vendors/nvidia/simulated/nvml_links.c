/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libnvidia-ml.so.1: NVLink and the place of cards among each other. From NVLink 4 on, a link's errors are
 * field values; before, counters of their own.
 */
#include "nvml_private.h"

#include <stdio.h>

#define NVLINK_4 6 /* nvmlDeviceGetNvLinkVersion counts 1.0, 2.0, 2.2, 3.0, 3.1, 4.0 */

static const struct hcs_sim_link *links_of(const struct hcs_sim_view *view) {
    struct hcs_sim_host *host = hcs_sim_attach();
    return host->telemetry[view->device - host->devices].links;
}

static uint32_t lane_count(const struct hcs_sim_link *links) {
    uint32_t count = HCS_SIM_LINKS;
    while (count > 0 && links[count - 1].version == 0)
        count--;
    return count;
}

static nvmlReturn_t lane(nvmlDevice_t handle, unsigned number, const void *out, const struct hcs_sim_link **ret) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_card(handle, out, &view);
    if (result != NVML_SUCCESS)
        return result;
    const struct hcs_sim_link *links = links_of(&view);
    if (lane_count(links) == 0)
        return NVML_ERROR_NOT_SUPPORTED;
    if (number >= lane_count(links))
        return NVML_ERROR_INVALID_ARGUMENT;
    *ret = &links[number];
    return links[number].version == 0 ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

API nvmlDeviceGetNvLinkState(nvmlDevice_t handle, unsigned number, unsigned *up) {
    const struct hcs_sim_link *link;
    nvmlReturn_t result = lane(handle, number, up, &link);
    if (result == NVML_SUCCESS)
        *up = link->up != 0;
    return result;
}

API nvmlDeviceGetNvLinkVersion(nvmlDevice_t handle, unsigned number, unsigned *version) {
    const struct hcs_sim_link *link;
    nvmlReturn_t result = lane(handle, number, version, &link);
    if (result == NVML_SUCCESS)
        *version = link->version;
    return result;
}

API nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t handle, unsigned number, nvmlPciInfo_t *info) {
    const struct hcs_sim_link *link;
    nvmlReturn_t result = lane(handle, number, info, &link);
    if (result != NVML_SUCCESS)
        return result;
    *info = (nvmlPciInfo_t){.domain = UINT32_MAX};
    if (link->peer < hcs_sim_attach()->device_count) {
        const struct hcs_sim_device *peer = &hcs_sim_attach()->devices[link->peer];
        *info = (nvmlPciInfo_t){.domain = peer->pci_domain, .bus = peer->pci_bus, .device = peer->pci_device};
        snprintf(info->busId, sizeof info->busId, "%08X:%02X:%02X.%X", peer->pci_domain, peer->pci_bus & 0xff,
                 peer->pci_device & 0x1f, peer->pci_function & 7);
    }
    return NVML_SUCCESS;
}

API nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t handle, unsigned number, unsigned *type) {
    const struct hcs_sim_link *link;
    nvmlReturn_t result = lane(handle, number, type, &link);
    if (result == NVML_SUCCESS)
        *type = link->peer == HCS_SIM_LINK_FABRIC ? NVML_NVLINK_REMOTE_SWITCH : NVML_NVLINK_REMOTE_GPU;
    return result;
}

API nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t handle, unsigned number, unsigned counter, uint64_t *count) {
    const struct hcs_sim_link *link;
    nvmlReturn_t result = lane(handle, number, count, &link);
    if (result != NVML_SUCCESS)
        return result;
    if (link->version >= NVLINK_4)
        return NVML_ERROR_NOT_SUPPORTED;
    switch (counter) {
    case NVML_NVLINK_ERROR_REPLAY:
        *count = hcs_sim_load(&link->replay);
        return NVML_SUCCESS;
    case NVML_NVLINK_ERROR_RECOVERY:
        *count = hcs_sim_load(&link->recovery);
        return NVML_SUCCESS;
    case NVML_NVLINK_ERROR_CRC_FLIT:
        *count = hcs_sim_load(&link->crc);
        return NVML_SUCCESS;
    case NVML_NVLINK_ERROR_CRC_DATA:
        *count = 0;
        return NVML_SUCCESS;
    case NVML_NVLINK_ERROR_ECC_DATA:
        *count = hcs_sim_load(&link->ecc);
        return NVML_SUCCESS;
    default:
        return NVML_ERROR_INVALID_ARGUMENT;
    }
}

uint64_t nvml_link_field(const struct hcs_sim_view *view, uint32_t field, uint32_t number) {
    const struct hcs_sim_link *links = links_of(view);
    if (number >= lane_count(links) || links[number].version == 0)
        return HCS_SIM_UNSET;
    const struct hcs_sim_link *link = &links[number];
    if (field == NVML_FIELD_NVLINK_SPEED)
        return link->version < NVLINK_4 ? 25781 : 26562;
    if (link->version < NVLINK_4)
        return HCS_SIM_UNSET;
    switch (field) {
    case NVML_FIELD_NVLINK_REPLAY:
        return hcs_sim_load(&link->replay);
    case NVML_FIELD_NVLINK_RECOVERY:
        return hcs_sim_load(&link->recovery);
    case NVML_FIELD_NVLINK_CRC:
        return hcs_sim_load(&link->crc);
    default:
        return HCS_SIM_UNSET;
    }
}

/* Cards of one NUMA node meet below its host bridges, others across the sockets. */
API nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t first, nvmlDevice_t second, unsigned *level) {
    struct hcs_sim_view a, b;
    nvmlReturn_t result = nvml_reachable(first, level, &a);
    if (result == NVML_SUCCESS)
        result = nvml_reachable(second, level, &b);
    if (result == NVML_SUCCESS)
        *level = a.device == b.device ? 0 : a.device->numa_node == b.device->numa_node ? 40 : 50;
    return result;
}
