/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcndev.so: MLU-Link. Port i is lane i of the simulated host.
 */
#include "cndev_private.h"

static int ports(const struct hcs_sim_view *view) {
    const struct hcs_sim_link *links = hcs_sim_telemetry_at(hcs_sim_attach(), view->position)->links;
    int count = 0;
    for (uint32_t i = 0; i < HCS_SIM_LINKS; i++) {
        if (links[i].version != 0)
            count = (int)i + 1;
    }
    return count;
}

static cndevRet_t find(cndevRet_t result, const struct hcs_sim_view *view, int link, const struct hcs_sim_link **ret) {
    if (result != CNDEV_SUCCESS)
        return result;
    if (link < 0 || link >= ports(view))
        return CNDEV_ERROR_INVALID_LINK;
    *ret = &hcs_sim_telemetry_at(hcs_sim_attach(), view->position)->links[link];
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT int cndevGetMLULinkPortNumber(cndevDevice_t device) {
    struct hcs_sim_view view = {0};
    cndevRet_t result = hcs_cndev_reachable(device, &view, &view);
    return result == CNDEV_SUCCESS ? ports(&view) : -1;
}

HCS_SIM_EXPORT cndevRet_t cndevGetMLULinkRemoteInfo(cndevMLULinkRemoteInfo_t *info, cndevDevice_t device, int link) {
    struct hcs_sim_view view;
    const struct hcs_sim_link *lane;
    cndevRet_t result = find(hcs_cndev_versioned(device, info, &view), &view, link, &lane);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!lane->up)
        return CNDEV_ERROR_NOT_SUPPORTED;
    cndevMLULinkRemoteInfo_t full = {.portId = (uint32_t)link};
    struct hcs_sim_host *host = hcs_sim_attach();
    if (lane->peer < host->device_count)
        hcs_sim_uuid_text(&host->devices[lane->peer], (char *)full.uuid);
    hcs_cndev_write(info, &full, sizeof full, 96);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetMLULinkSpeedInfo(cndevMLULinkSpeed_t *speed, cndevDevice_t device, int link) {
    struct hcs_sim_view view;
    const struct hcs_sim_link *lane;
    cndevRet_t result = find(hcs_cndev_versioned(device, speed, &view), &view, link, &lane);
    if (result == CNDEV_SUCCESS)
        speed->speedValue = 25;
    return result;
}

#if CNDEV_GENERATION < 2025
HCS_SIM_EXPORT cndevRet_t cndevGetMLULinkStatus(cndevMLULinkStatus_t *status, cndevDevice_t device, int link) {
    struct hcs_sim_view view;
    const struct hcs_sim_link *lane;
    cndevRet_t result = find(hcs_cndev_versioned(device, status, &view), &view, link, &lane);
    if (result == CNDEV_SUCCESS)
        status->isActive = status->serdesState = lane->up != 0;
    return result;
}
#endif

HCS_SIM_EXPORT cndevRet_t cndevGetMLULinkCounter(cndevMLULinkCounter_t *counter, cndevDevice_t device, int link) {
    struct hcs_sim_view view;
    const struct hcs_sim_link *lane;
    cndevRet_t result = find(hcs_cndev_versioned(device, counter, &view), &view, link, &lane);
    if (result != CNDEV_SUCCESS)
        return result;
    cndevMLULinkCounter_t full = {.errReplay = hcs_sim_load(&lane->replay),
                                  .errEccDouble = hcs_sim_load(&lane->ecc),
                                  .errCRC32 = hcs_sim_load(&lane->crc)};
    hcs_cndev_write(counter, &full, 152, offsetof(cndevMLULinkCounter_t, tail));
    return CNDEV_SUCCESS;
}

#if CNDEV_GENERATION >= 2024
HCS_SIM_EXPORT cndevRet_t cndevGetMLULinkStatusV2(cndevMLULinkStatusV2_t *status, cndevDevice_t device, int link) {
    struct hcs_sim_view view;
    const struct hcs_sim_link *lane;
    cndevRet_t result = find(hcs_cndev_reachable(device, status, &view), &view, link, &lane);
    if (result == CNDEV_SUCCESS)
        *status = (cndevMLULinkStatusV2_t){.macState = lane->up ? 3 : 0, .serdesState = lane->up != 0};
    return result;
}

HCS_SIM_EXPORT cndevRet_t cndevGetMLULinkErrorCounter(cndevMLULinkErrorCounter_t *counter, cndevDevice_t device,
                                                      int link) {
    struct hcs_sim_view view;
    const struct hcs_sim_link *lane;
    cndevRet_t result = find(hcs_cndev_reachable(device, counter, &view), &view, link, &lane);
    if (result == CNDEV_SUCCESS)
        *counter = (cndevMLULinkErrorCounter_t){.uncorrectFecCnt = hcs_sim_load(&lane->ecc),
                                                .rxBadFcsPkt = hcs_sim_load(&lane->crc)};
    return result;
}
#endif
