/* SPDX-License-Identifier: Apache-2.0 */
#include "quota.h"

#include <errno.h>
#include <string.h>

#include "hcs_segment.h"

struct cursor {
    const char *text;
    size_t at;
    struct hcs_quota_error *error;
};

static int fail(struct cursor *c, size_t offset, const char *what) {
    c->error->offset = offset;
    c->error->what = what;
    return -EINVAL;
}

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* Takes `word` off the text if it stands there. */
static int accept(struct cursor *c, const char *word) {
    size_t length = strlen(word);
    if (strncmp(c->text + c->at, word, length) != 0)
        return 0;
    c->at += length;
    return 1;
}

static int read_number(struct cursor *c, uint64_t *ret_value) {
    size_t start = c->at;
    uint64_t value = 0;
    if (!is_digit(c->text[c->at]))
        return fail(c, start, "a size such as 8Gi, 4096M or 1073741824 is expected here (digits, no sign, no space)");
    for (; is_digit(c->text[c->at]); c->at++) {
        uint64_t digit = (uint64_t)(c->text[c->at] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return fail(c, start, "the number is larger than 64 bits hold");
        value = value * 10 + digit;
    }
    *ret_value = value;
    return 0;
}

/* The factor of an optional suffix; what follows a size is the caller's affair. */
static uint64_t read_factor(struct cursor *c) {
    static const char letters[] = "KMGT";
    char letter = c->text[c->at];
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (!found)
        return 1;
    c->at++;
    uint64_t base = 1000;
    if (c->text[c->at] == 'i') {
        c->at++;
        base = 1024;
    }
    uint64_t factor = base;
    for (long power = found - letters; power > 0; power--)
        factor *= base;
    return factor;
}

/* What stands after a size and should not, said so that the writer knows the cure. */
static const char *trailing(char c) {
    switch (c) {
    case '.':
        return "fractions are not allowed; use a smaller unit (1.5Gi is 1536Mi)";
    case 'B':
    case 'b':
        return "sizes are written without B: 8Gi, not 8GiB";
    case 'k':
    case 'm':
    case 'g':
    case 't':
        return "size suffixes are upper case: K M G T (powers of 1000), Ki Mi Gi Ti (powers of 1024)";
    case ' ':
    case '\t':
    case '\n':
    case '\r':
        return "white space is not allowed";
    default:
        return "unknown size suffix; use K M G T (powers of 1000) or Ki Mi Gi Ti (powers of 1024)";
    }
}

static int read_size(struct cursor *c, uint64_t *ret_bytes) {
    size_t start = c->at;
    uint64_t number;
    int r = read_number(c, &number);
    if (r < 0)
        return r;
    uint64_t factor = read_factor(c);
    char next = c->text[c->at];
    if (next != '\0' && next != ',')
        return fail(c, c->at, trailing(next));
    if (number > UINT64_MAX / factor)
        return fail(c, start, "the size is larger than 64 bits hold");
    *ret_bytes = number * factor;
    return 0;
}

static uint32_t read_vendor(struct cursor *c) {
    if (accept(c, "nvidia:"))
        return HCS_VENDOR_NVIDIA;
    if (accept(c, "ascend:"))
        return HCS_VENDOR_ASCEND;
    if (accept(c, "hygon:"))
        return HCS_VENDOR_HYGON;
    if (accept(c, "cambricon:"))
        return HCS_VENDOR_CAMBRICON;
    return HCS_VENDOR_NONE;
}

/* The ordinal of `ordinal "="`, or HCS_QUOTA_EACH when the digits are not followed by "=". */
static int read_ordinal(struct cursor *c, uint32_t *ret_ordinal) {
    size_t start = c->at, end = start;
    while (is_digit(c->text[end]))
        end++;
    *ret_ordinal = HCS_QUOTA_EACH;
    if (end == start || c->text[end] != '=')
        return 0;
    uint64_t ordinal;
    int r = read_number(c, &ordinal);
    if (r < 0)
        return r;
    if (ordinal >= HCS_QUOTA_ORDINALS)
        return fail(c, start, "device ordinals are 0 to 63");
    c->at = end + 1;
    *ret_ordinal = (uint32_t)ordinal;
    return 0;
}

/* Two entries of one vendor that cannot both hold. */
static const char *conflict(const struct hcs_quota *quota, const struct hcs_quota_entry *entry) {
    for (uint32_t i = 0; i < quota->count; i++) {
        const struct hcs_quota_entry *other = &quota->entries[i];
        if (other->vendor != entry->vendor)
            continue;
        if (other->ordinal == entry->ordinal)
            return "this device (or each device) already has a size";
        if (other->ordinal == HCS_QUOTA_EACH || entry->ordinal == HCS_QUOTA_EACH)
            return "a size for each device and sizes by ordinal exclude each other; name every device";
    }
    return NULL;
}

static int read_entry(struct cursor *c, struct hcs_quota *quota, int *total_seen) {
    size_t start = c->at;
    if (accept(c, "total=")) {
        if (*total_seen)
            return fail(c, start, "total= is given twice");
        *total_seen = 1;
        int r = read_size(c, &quota->total);
        if (r == 0 && quota->total == HCS_UNLIMITED)
            return fail(c, start, "the size is larger than 64 bits hold");
        return r;
    }
    struct hcs_quota_entry entry = {.vendor = read_vendor(c)};
    if (c->text[c->at] >= 'a' && c->text[c->at] <= 'z')
        return fail(c, c->at, entry.vendor == HCS_VENDOR_NONE
                                  ? "unknown word; vendors are nvidia: ascend: hygon: cambricon:, a cap is total="
                                  : "a size or ordinal=size is expected after the vendor");
    int r = read_ordinal(c, &entry.ordinal);
    if (r == 0)
        r = read_size(c, &entry.bytes);
    if (r < 0)
        return r;
    const char *problem = conflict(quota, &entry);
    if (problem)
        return fail(c, start, problem);
    if (quota->count == HCS_QUOTA_ENTRIES)
        return fail(c, start, "more than 64 entries");
    quota->entries[quota->count++] = entry;
    return 0;
}

int hcs_quota_parse(const char *text, struct hcs_quota *ret_quota, struct hcs_quota_error *ret_error) {
    struct hcs_quota quota = {.total = HCS_UNLIMITED};
    struct cursor c = {.text = text, .error = ret_error};
    int total_seen = 0;
    if (text[0] == '\0')
        return fail(&c, 0, "it is empty; unset it to run without a quota");
    if (strnlen(text, HCS_QUOTA_TEXT + 1) > HCS_QUOTA_TEXT)
        return fail(&c, HCS_QUOTA_TEXT, "it is longer than 143 bytes");
    for (;;) {
        int r = read_entry(&c, &quota, &total_seen);
        if (r < 0)
            return r;
        if (c.text[c.at] == '\0')
            break;
        c.at++; /* the comma on which read_size stopped */
    }
    if (quota.count == 0)
        return fail(&c, 0, "total= alone gives no device a quota; add a size for the devices, such as 8Gi,total=16Gi");
    *ret_quota = quota;
    return 0;
}

int hcs_quota_limit(const struct hcs_quota *quota, uint32_t vendor, uint32_t ordinal, uint64_t *ret_bytes) {
    uint32_t scope = HCS_VENDOR_NONE;
    for (uint32_t i = 0; i < quota->count; i++)
        if (quota->entries[i].vendor == vendor)
            scope = vendor;
    for (uint32_t i = 0; i < quota->count; i++) {
        const struct hcs_quota_entry *entry = &quota->entries[i];
        if (entry->vendor == scope && (entry->ordinal == HCS_QUOTA_EACH || entry->ordinal == ordinal)) {
            *ret_bytes = entry->bytes;
            return 0;
        }
    }
    return -ENOENT;
}
