/* SPDX-License-Identifier: Apache-2.0
 *
 * From the ordinal that the program uses to the segment's entry, once per process and ordinal. By the driver's UUID where
 * there is one; else through the vendor's visibility variable to the host index.
 */
#include <stdlib.h>
#include <string.h>

#include "hook.h"
#include "quota.h"
#include "sys.h"

#define VENDORS HCS_VENDORS

uint8_t hcs_devices_known[VENDORS][HCS_ORDINALS];

static const char *vendor_name(uint32_t vendor) {
    static const char *const names[] = {"?", "NVIDIA", "Ascend", "Hygon", "Cambricon"};
    return names[vendor <= HCS_VENDOR_CAMBRICON ? vendor : 0];
}

struct identity {
    uint32_t vendor;
    uint32_t ordinal;
    uint32_t host_index;
    int has_uuid;
    char uuid[HCS_UUID_BYTES];
};

/* --- visibility variables: "0,2,4-7" ---------------------------------------------------------------------------------------- */

static int read_index(const char **c, uint32_t *ret_value) {
    uint64_t value = 0;
    if (**c < '0' || **c > '9')
        return -EINVAL;
    for (; **c >= '0' && **c <= '9'; ++*c)
        if ((value = value * 10 + (uint64_t)(**c - '0')) > UINT32_MAX)
            return -ERANGE;
    *ret_value = (uint32_t)value;
    return 0;
}

/* The ordinal-th index of the list: 0, or -ENOENT when the list ends (or stops making sense) before it. */
static int nth_index(const char *list, uint32_t ordinal, uint32_t *ret_index) {
    for (;;) {
        uint32_t first, last;
        while (*list == ' ')
            list++;
        if (read_index(&list, &first) < 0)
            return -ENOENT;
        last = first;
        if (*list == '-') {
            list++;
            if (read_index(&list, &last) < 0 || last < first)
                return -ENOENT;
        }
        if (ordinal <= last - first) {
            *ret_index = first + ordinal;
            return 0;
        }
        ordinal -= last - first + 1;
        while (*list == ' ')
            list++;
        if (*list++ != ',')
            return -ENOENT;
    }
}

static void name_by_index(struct identity *id) {
    struct hcs_decimal number;
    memcpy(id->uuid, "index-", sizeof "index-");
    strcat(id->uuid, hcs_decimal(id->host_index, &number));
}

static int identify_by_index(const struct hcs_layer *layer, struct identity *id) {
    const char *list = NULL;
    for (size_t i = 0; !list && i < sizeof layer->visibility / sizeof *layer->visibility && layer->visibility[i]; i++)
        list = getenv(layer->visibility[i]);
    id->host_index = id->ordinal;
    if (list && nth_index(list, id->ordinal, &id->host_index) < 0)
        return -ENOENT;
    name_by_index(id);
    return 0;
}

static int identify(const struct hcs_layer *layer, const void *real, struct identity *id) {
    int r = layer->device_uuid ? layer->device_uuid(real, (int)id->ordinal, id->uuid) : -ENOSYS;
    id->has_uuid = r == 0;
    return r == -ENOSYS && layer->visibility[0] ? identify_by_index(layer, id) : r;
}

/* --- entries ------------------------------------------------------------------------------------------------------------------ */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* The driver gives 16 bytes; whether they name a card or a MIG instance only the prefix in the entry says. */
static const char *bare(const char *uuid) {
    return strncmp(uuid, "GPU-", 4) == 0 || strncmp(uuid, "MIG-", 4) == 0 ? uuid + 4 : uuid;
}

static int same_uuid(const struct hcs_segment_device *entry, const char *uuid) {
    char theirs[HCS_UUID_BYTES];
    memcpy(theirs, entry->uuid, sizeof theirs);
    theirs[sizeof theirs - 1] = '\0';
    const char *a = bare(theirs), *b = bare(uuid);
    while (*a && lower(*a) == lower(*b))
        a++, b++;
    return *a == *b;
}

static int is_entry_of(const struct hcs_segment_device *entry, const struct identity *id) {
    if (hcs_load_u32(&entry->state) != HCS_DEVICE_READY || entry->vendor != id->vendor)
        return 0;
    if (id->has_uuid || hcs_state.standalone)
        return same_uuid(entry, id->uuid);
    return entry->host_index == id->host_index;
}

static int find_entry(const struct identity *id) {
    for (uint32_t i = 0; i < HCS_SEGMENT_DEVICES; i++)
        if (is_entry_of(&hcs_state.map->devices[i], id))
            return (int)i;
    return -ENOENT;
}

/* Standalone: the limit that the quota gives to the ordinal, kept under the device's own name from now on. */
static int add_entry(const struct identity *id) {
    char text[sizeof hcs_state.map->quota];
    memcpy(text, hcs_state.map->quota, sizeof text);
    text[sizeof text - 1] = '\0';
    struct hcs_quota quota;
    struct hcs_quota_error error;
    uint64_t limit;
    if (hcs_quota_parse(text, &quota, &error) < 0)
        return -EINVAL;
    if (hcs_quota_limit(&quota, id->vendor, id->ordinal, &limit) < 0)
        return -ENOENT;
    for (uint32_t i = 0; i < HCS_SEGMENT_DEVICES; i++) {
        struct hcs_segment_device *entry = &hcs_state.map->devices[i];
        if (hcs_load_u32(&entry->state) == HCS_DEVICE_READY)
            continue;
        /* We hold the table's lock: an entry that is claimed was claimed by a process that died. */
        hcs_store_u32(&entry->state, HCS_DEVICE_CLAIMED);
        entry->vendor = id->vendor;
        entry->host_index = id->host_index;
        memcpy(entry->uuid, id->uuid, sizeof entry->uuid);
        hcs_store_u64(&entry->limit, limit);
        hcs_store_u32(&entry->state, HCS_DEVICE_READY);
        return (int)i;
    }
    return -ENOSPC;
}

static int lock_table(int fd) {
    for (int tries = 0; tries < 2000; tries++) {
        if (hcs_lock_byte(fd, F_WRLCK, HCS_DEVICE_TABLE_BYTE) == 0)
            return 0;
        hcs_sleep_us(1000);
    }
    return -EBUSY;
}

static int find_or_add_entry(const struct identity *id) {
    int index = find_entry(id);
    if (index >= 0 || !hcs_state.standalone)
        return index;
    hcs_lock(&hcs_slow_lock);
    int fd = hcs_segment_fd();
    int r = fd < 0 ? fd : lock_table(fd);
    if (r == 0) {
        index = find_entry(id);
        r = index >= 0 ? index : add_entry(id);
        (void)hcs_lock_byte(fd, F_UNLCK, HCS_DEVICE_TABLE_BYTE);
    }
    hcs_unlock(&hcs_slow_lock);
    return r;
}

static void say_no_entry(const struct identity *id, int error) {
    static uint32_t once[VENDORS];
    struct hcs_decimal number;
    const char *why = error == -ENOENT   ? "the quota has no entry for it"
                      : error == -ENOSPC ? "the segment's 16 device entries are taken"
                                         : "the segment's device table cannot be changed";
    hcs_say(HCS_LOG_ERROR, &once[id->vendor], "no device memory is granted on ", vendor_name(id->vendor), " device ",
            hcs_decimal(id->ordinal, &number), " (", id->uuid, "): ", why, " in \"", hcs_state.path, "\"", NULL);
}

static int meet(const struct hcs_layer *layer, const void *real, uint32_t ordinal) {
    static uint32_t once_unknown;
    struct identity id = {.vendor = layer->vendor, .ordinal = ordinal, .host_index = ordinal};
    struct hcs_decimal number;
    if (identify(layer, real, &id) < 0) {
        hcs_say(HCS_LOG_ERROR, &once_unknown, "no device memory is granted on ", vendor_name(layer->vendor), " device ",
                hcs_decimal(ordinal, &number), ": ",
                layer->device_uuid ? "its driver does not tell its UUID" : "the visibility variable does not list it",
                NULL);
        return -1;
    }
    int index = find_or_add_entry(&id);
    if (index < 0) {
        say_no_entry(&id, index);
        return -1;
    }
    __atomic_store_n(&hcs_devices_known[layer->vendor][ordinal], (uint8_t)(index + 1), __ATOMIC_RELEASE);
    return index;
}

int hcs_device_entry(const struct hcs_layer *layer, const void *real, int ordinal) {
    if (ordinal < 0 || ordinal >= HCS_ORDINALS)
        return -1;
    int index = hcs_device_known(layer->vendor, ordinal);
    return index >= 0 ? index : meet(layer, real, (uint32_t)ordinal);
}

int hcs_device_named(uint32_t vendor, const char *uuid, int host_index) {
    struct identity id = {.vendor = vendor, .host_index = (uint32_t)host_index, .has_uuid = uuid != NULL};
    if (uuid)
        strncpy(id.uuid, uuid, sizeof id.uuid - 1);
    else if (host_index < 0)
        return -1;
    else
        name_by_index(&id);
    return find_entry(&id);
}

void hcs_device_forget_all(void) { memset(hcs_devices_known, 0, sizeof hcs_devices_known); }
