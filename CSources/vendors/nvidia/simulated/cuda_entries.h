/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CUDA_ENTRIES_H
#define CUDA_ENTRIES_H

#include <stddef.h>

/* An entry point by base name. Entries of one name follow each other, newest first. */
struct entry {
    const char *name;
    int since; /* CUDA version */
    void (*function)(void);
    int since_per_thread;
    void (*per_thread)(void); /* its variant for per-thread default streams, or NULL */
};

extern const struct entry cuda_entries[];
extern const size_t cuda_entry_count;

#endif
