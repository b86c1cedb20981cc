/* SPDX-License-Identifier: Apache-2.0
 *
 * One list per vendor, `HCS_<LIB>_FUNCTIONS(X)` with X(field, symbol, return type, arguments), becomes a table of
 * function pointers, a loader and a list of names. A missing symbol is a fact about a driver's age, not an error: its
 * pointer stays NULL and the caller goes without that figure.
 */
#ifndef HCS_LOAD_H
#define HCS_LOAD_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HCS_ABI_INLINE static inline __attribute__((always_inline, unused))

#define HCS_ABI_FIELD(field, symbol, type, arguments) type(*field) arguments;
#define HCS_ABI_COUNT(field, symbol, type, arguments) +1
#define HCS_ABI_NAME(field, symbol, type, arguments) #symbol,

/* struct hcs_<lib>_table;
 * int hcs_<lib>_load(void *handle, struct hcs_<lib>_table *out)      number of missing symbols
 * int hcs_<lib>_symbol_count(void)
 * const char *hcs_<lib>_symbol_name(int i)                           NULL when out of range
 * int hcs_<lib>_symbol_present(const struct hcs_<lib>_table *, int i) 0 or 1
 * POSIX makes data and function pointers the same size, so the table is filled by position. */
#define HCS_ABI_TABLE(lib, FUNCTIONS)                                                                                  \
    struct hcs_##lib##_table {                                                                                         \
        FUNCTIONS(HCS_ABI_FIELD)                                                                                       \
    };                                                                                                                 \
    _Static_assert(sizeof(struct hcs_##lib##_table) == (0 FUNCTIONS(HCS_ABI_COUNT)) * sizeof(void *), "dense table");  \
    HCS_ABI_INLINE int hcs_##lib##_symbol_count(void) {                                                                \
        return 0 FUNCTIONS(HCS_ABI_COUNT);                                                                             \
    }                                                                                                                  \
    HCS_ABI_INLINE const char *hcs_##lib##_symbol_name(int i) {                                                        \
        static const char *const names[] = {FUNCTIONS(HCS_ABI_NAME)};                                                  \
        return i >= 0 && i < hcs_##lib##_symbol_count() ? names[i] : NULL;                                             \
    }                                                                                                                  \
    HCS_ABI_INLINE int hcs_##lib##_symbol_present(const struct hcs_##lib##_table *table, int i) {                      \
        void *p = NULL;                                                                                                \
        if (i < 0 || i >= hcs_##lib##_symbol_count())                                                                  \
            return 0;                                                                                                  \
        memcpy(&p, (const char *)table + (size_t)i * sizeof p, sizeof p);                                              \
        return p != NULL;                                                                                              \
    }                                                                                                                  \
    HCS_ABI_INLINE int hcs_##lib##_load(void *handle, struct hcs_##lib##_table *out) {                                 \
        int missing = 0;                                                                                               \
        for (int i = 0; i < hcs_##lib##_symbol_count(); i++) {                                                         \
            void *p = dlsym(handle, hcs_##lib##_symbol_name(i));                                                       \
            missing += p == NULL;                                                                                      \
            memcpy((char *)out + (size_t)i * sizeof p, &p, sizeof p);                                                  \
        }                                                                                                              \
        return missing;                                                                                                \
    }

#endif
