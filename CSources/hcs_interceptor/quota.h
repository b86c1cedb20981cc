/* SPDX-License-Identifier: Apache-2.0
 *
 * The quota grammar of HCS_VRAM_QUOTA (docs: conventions, "Quota grammar"). Pure: text in, values out; no allocation, no
 * environment, no output, so that it can be fuzzed and tested alone.
 *
 *   quota := entry ("," entry)*
 *   entry := "total=" size | [vendor ":"] [ordinal "="] size
 *   vendor := "nvidia" | "ascend" | "hygon" | "cambricon"
 *   size := digits ["K" | "M" | "G" | "T" | "Ki" | "Mi" | "Gi" | "Ti"]
 *
 * A size without an ordinal holds for each visible device. Entries with a vendor hold for that vendor alone and replace,
 * for that vendor, all entries without one. Within one vendor (or within the entries without one) a size for each device
 * and sizes by ordinal exclude each other: which of them `8Gi,0=4Gi` means for device 0 would be a guess.
 * `total=` alone is an error: it caps a sum, and no device would have an entry.
 */
#ifndef HCS_QUOTA_H
#define HCS_QUOTA_H

#include <stddef.h>
#include <stdint.h>

#define HCS_QUOTA_TEXT 143u     /* longest text in bytes: it is kept in hcs_segment.quota with its NUL */
#define HCS_QUOTA_ENTRIES 64u
#define HCS_QUOTA_ORDINALS 64u  /* ordinals are 0 ... 63 */
#define HCS_QUOTA_EACH UINT32_MAX

struct hcs_quota_entry {
    uint32_t vendor;  /* enum hcs_vendor; HCS_VENDOR_NONE = every vendor */
    uint32_t ordinal; /* visible ordinal, HCS_QUOTA_EACH = each device */
    uint64_t bytes;
};

struct hcs_quota {
    uint64_t total; /* HCS_UNLIMITED = no cap over all devices */
    uint32_t count;
    struct hcs_quota_entry entries[HCS_QUOTA_ENTRIES];
};

struct hcs_quota_error {
    size_t offset;    /* byte of the text at which reading stopped */
    const char *what; /* a static sentence */
};

/* 0, or -EINVAL with *ret_error set and *ret_quota untouched. */
int hcs_quota_parse(const char *text, struct hcs_quota *ret_quota, struct hcs_quota_error *ret_error);

/* The limit of a vendor's visible device: 0, or -ENOENT when the quota has no entry for it. */
int hcs_quota_limit(const struct hcs_quota *quota, uint32_t vendor, uint32_t ordinal, uint64_t *ret_bytes);

#endif
