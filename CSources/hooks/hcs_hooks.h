/* SPDX-License-Identifier: Apache-2.0
 * The names that the preload library answers, for programs that only have to know them (hcs inspect).
 * From the same hook lists as the library: a new hook is known here without another line. */
#ifndef HCS_HOOKS_H
#define HCS_HOOKS_H

#include <stddef.h>

/* The name with this index, counted from 0, or NULL behind the last one. */
static inline const char *hcs_hook_name(size_t index) {
#define HCS_HOOK(name, ...) #name,
#define HCS_QUERY(name)
    static const char *const names[] = {
#include "../hcs_interceptor/vendors.def"
    };
#undef HCS_HOOK
#undef HCS_QUERY
    return index < sizeof(names) / sizeof(names[0]) ? names[index] : NULL;
}

#endif
