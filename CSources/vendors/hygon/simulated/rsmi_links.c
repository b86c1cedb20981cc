/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated librocm_smi64: links between devices.
 */
#include "rsmi_private.h"

const struct hcs_sim_link *rsmi_link(const struct hcs_sim_view *view, uint32_t lane) {
    struct hcs_sim_host *host = hcs_sim_attach();
    if (host == NULL || lane >= HCS_SIM_LINKS)
        return NULL;
    const struct hcs_sim_link *link = hcs_sim_link_at(host, view->position, lane);
    return link->version != 0 ? link : NULL;
}

/* Lanes between two devices that are up. */
static uint32_t lanes_between(const struct hcs_sim_view *from, const struct hcs_sim_view *to) {
    uint32_t count = 0;
    for (uint32_t lane = 0; lane < HCS_SIM_LINKS; lane++) {
        const struct hcs_sim_link *link = rsmi_link(from, lane);
        count += link != NULL && link->up != 0 && link->peer == to->position;
    }
    return count;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_topo_get_link_type(uint32_t from, uint32_t to, uint64_t *hops, uint32_t *type) {
    struct hcs_sim_view a, b;
    rsmi_status_t status = RSMI_REACH(from, hops, &a);
    if (status == RSMI_STATUS_SUCCESS)
        status = RSMI_REACH(to, type, &b);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    bool direct = lanes_between(&a, &b) > 0;
    *hops = direct ? 1 : 2;
    *type = direct ? RSMI_IOLINK_TYPE_XGMI : RSMI_IOLINK_TYPE_PCIEXPRESS;
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_minmax_bandwidth_get(uint32_t from, uint32_t to, uint64_t *minimum,
                                                       uint64_t *maximum) {
    struct hcs_sim_view a, b;
    rsmi_status_t status = RSMI_REACH(from, minimum, &a);
    if (status == RSMI_STATUS_SUCCESS)
        status = RSMI_REACH(to, maximum, &b);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    uint32_t lanes = lanes_between(&a, &b);
    if (lanes == 0)
        return RSMI_STATUS_INVALID_ARGS;
    *minimum = 50000;
    *maximum = 50000 * (uint64_t)lanes;
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_xgmi_error_status(uint32_t index, uint32_t *ret) {
    struct hcs_sim_view view;
    uint64_t errors = 0;
    rsmi_status_t status = RSMI_REACH(index, ret, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    for (uint32_t lane = 0; lane < HCS_SIM_LINKS; lane++) {
        const struct hcs_sim_link *link = rsmi_link(&view, lane);
        errors += link != NULL ? hcs_sim_load(&link->crc) : 0;
    }
    *ret = errors == 0   ? RSMI_XGMI_STATUS_NO_ERRORS
           : errors == 1 ? RSMI_XGMI_STATUS_ERROR
                         : RSMI_XGMI_STATUS_MULTIPLE_ERRORS;
    return RSMI_STATUS_SUCCESS;
}

#if !RSMI_AMD
HCS_SIM_EXPORT rsmi_status_t rsmi_dev_xhcl_link_number_get(uint32_t index, uint32_t *count) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, count, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    *count = 0;
    while (rsmi_link(&view, *count) != NULL)
        ++*count;
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_xhcl_link_state_get(uint32_t index, uint32_t lane, uint32_t *state) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, state, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    const struct hcs_sim_link *link = rsmi_link(&view, lane);
    if (link == NULL)
        return RSMI_STATUS_INPUT_OUT_OF_BOUNDS;
    *state = link->up != 0;
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_xhcl_link_remote_bdfid_get(uint32_t index, uint32_t lane, uint64_t *bdfid) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, bdfid, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    const struct hcs_sim_link *link = rsmi_link(&view, lane);
    const struct hcs_sim_host *host = hcs_sim_attach();
    if (link == NULL || host == NULL || link->peer >= HCS_SIM_DEVICES)
        return RSMI_STATUS_NOT_FOUND;
    *bdfid = rsmi_bdfid(&host->devices[link->peer]);
    return RSMI_STATUS_SUCCESS;
}
#endif
