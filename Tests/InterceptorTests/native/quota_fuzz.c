/* SPDX-License-Identifier: Apache-2.0
 *
 * The quota parser alone, under AddressSanitizer and UndefinedBehaviorSanitizer: a table of values, then random texts made
 * of grammar pieces and noise. What is accepted must mean what a slow second reading says: `quota_fuzz ROUNDS`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hcs_segment.h"
#include "quota.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "quota \"%s\": line %d: %s does not hold\n", text, __LINE__, #condition);                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static void table(void) {
    static const struct {
        const char *text;
        uint32_t vendor, ordinal;
        uint64_t bytes; /* UINT64_MAX - 1: no entry */
        uint64_t total;
    } rows[] = {
        {"8Gi", HCS_VENDOR_NVIDIA, 3, UINT64_C(8) << 30, HCS_UNLIMITED},
        {"8G", HCS_VENDOR_ASCEND, 0, UINT64_C(8000000000), HCS_UNLIMITED},
        {"16Ti", HCS_VENDOR_NVIDIA, 0, UINT64_C(16) << 40, HCS_UNLIMITED},
        {"7K,total=3M", HCS_VENDOR_HYGON, 0, 7000, 3000000},
        {"7Ki,total=3Mi", HCS_VENDOR_HYGON, 0, 7168, 3145728},
        {"2T", HCS_VENDOR_NVIDIA, 0, UINT64_C(2000000000000), HCS_UNLIMITED},
        {"0", HCS_VENDOR_NVIDIA, 0, 0, HCS_UNLIMITED},
        {"0=8Gi,1=4Gi", HCS_VENDOR_NVIDIA, 1, UINT64_C(4) << 30, HCS_UNLIMITED},
        {"0=8Gi,1=4Gi", HCS_VENDOR_NVIDIA, 2, UINT64_MAX - 1, HCS_UNLIMITED},
        {"8Gi,nvidia:1Gi", HCS_VENDOR_NVIDIA, 0, UINT64_C(1) << 30, HCS_UNLIMITED},
        {"8Gi,nvidia:1Gi", HCS_VENDOR_ASCEND, 0, UINT64_C(8) << 30, HCS_UNLIMITED},
        {"8Gi,nvidia:0=1Gi", HCS_VENDOR_NVIDIA, 1, UINT64_MAX - 1, HCS_UNLIMITED},
        {"cambricon:1=5", HCS_VENDOR_CAMBRICON, 1, 5, HCS_UNLIMITED},
        {"18446744073709551615", HCS_VENDOR_NVIDIA, 0, UINT64_MAX, HCS_UNLIMITED},
        {"16777215Ti", HCS_VENDOR_NVIDIA, 0, UINT64_C(16777215) << 40, HCS_UNLIMITED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = rows[i].text;
        struct hcs_quota quota;
        struct hcs_quota_error error;
        uint64_t bytes = UINT64_MAX - 1;
        CHECK(hcs_quota_parse(text, &quota, &error) == 0);
        (void)hcs_quota_limit(&quota, rows[i].vendor, rows[i].ordinal, &bytes);
        CHECK(bytes == rows[i].bytes && quota.total == rows[i].total);
    }
}

/* The value of one bare size by other means; 0 when it is not one. */
static int slow_size(const char *text, __uint128_t *ret_value) {
    while (text[0] == '0' && text[1] >= '0' && text[1] <= '9')
        text++;
    size_t digits = strspn(text, "0123456789");
    static const char *const suffixes[] = {"", "K", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"};
    if (digits == 0 || digits > 20)
        return 0;
    __uint128_t value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    for (int s = 0; s < 9; s++)
        if (strcmp(text + digits, suffixes[s]) == 0) {
            for (int power = s < 5 ? s : s - 4; power > 0; power--)
                value *= s < 5 ? 1000 : 1024;
            *ret_value = value;
            return value <= UINT64_MAX;
        }
    return 0;
}

static unsigned state = 12345;
static unsigned next_random(void) { return (unsigned)rand_r(&state); }

static void random_text(char *text) {
    static const char *const pieces[] = {"8", "Gi", "M", "K", "0", "=", ",", "total=", "nvidia:", "ascend:", "1", "T", "Ti",
        "18446744073709551615", "99999999999999999999", "i", "B", " ", "-", ".", "64", "63", "\xff", "hygon:", "cambricon:"};
    text[0] = '\0';
    for (unsigned n = next_random() % 9; n > 0; n--)
        strcat(text, pieces[next_random() % (sizeof pieces / sizeof *pieces)]);
    if (next_random() % 4 == 0 && text[0])
        text[next_random() % strlen(text)] = (char)(1 + next_random() % 255);
}

static void check_one(const char *text) {
    /* Exactly as long as it is, so that reading one byte too many is seen. */
    size_t length = strlen(text);
    char *copy = malloc(length + 1);
    memcpy(copy, text, length + 1);
    struct hcs_quota quota, untouched;
    struct hcs_quota_error error = {.offset = 9999};
    memset(&quota, 0x5a, sizeof quota);
    untouched = quota;
    int r = hcs_quota_parse(copy, &quota, &error);
    __uint128_t value = 0;
    int plain = slow_size(text, &value);
    CHECK(!plain || (r == 0 && quota.count == 1 && quota.entries[0].bytes == (uint64_t)value));
    CHECK(plain || strpbrk(text, ",=:") || r < 0);
    if (r < 0) {
        CHECK(error.offset <= length && error.what && error.what[0]);
        CHECK(memcmp(&quota, &untouched, sizeof quota) == 0);
    } else {
        CHECK(quota.count > 0 && quota.count <= HCS_QUOTA_ENTRIES);
    }
    free(copy);
}

int main(int argc, char **argv) {
    char text[512];
    table();
    for (long i = argc > 1 ? atol(argv[1]) : 100000; i > 0; i--) {
        random_text(text);
        check_one(text);
    }
    memset(text, '1', 200);
    text[200] = '\0';
    check_one(text);
    return 0;
}
