/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the simulated vendor libraries. Each case runs in a child of its own, on a fresh simulated host, and loads
 * what it needs by name as a program would. Four devices of 8 GiB: nvidia 0 and 1, ascend, hygon, cambricon.
 */
#ifndef CHECK_H
#define CHECK_H

#include "../../segment/hcs_segment.h"
#include "../hcs_sim_make.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
enum { NVIDIA0, NVIDIA1, ASCEND, HYGON, CAMBRICON };

struct check_case {
    const char *name;
    void (*run)(void);
    const char *directory; /* below the libraries' directory, searched first; NULL = none */
};
extern const struct check_case check_cuda[], check_cudart[], check_ascend[], check_hip[], check_cambricon[],
    check_host[]; /* ended by a case without a name */

extern struct hcs_sim_host *host;
extern const char *check_state_path;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            check_fail(__FILE__, __LINE__, #condition);                                                                \
    } while (0)
#define CHECK_EQUAL(value, expected) check_equal(__FILE__, __LINE__, #value, (uint64_t)(value), (uint64_t)(expected))

/* What the driver counts for this process. */
#define CHECK_TRUTH(position, requested, charged, count)                                                               \
    check_truth(__FILE__, __LINE__, position, requested, charged, count)

_Noreturn void check_fail(const char *file, int line, const char *what);
void check_equal(const char *file, int line, const char *what, uint64_t value, uint64_t expected);
void check_truth(const char *file, int line, uint32_t position, uint64_t requested, uint64_t charged, uint64_t count);
struct hcs_sim_usage check_usage(pid_t pid, uint32_t position);
void *check_symbol(const char *library, const char *name); /* fails the case where there is none */
bool check_has_symbol(const char *library, const char *name);
void check_version(const char *library, const char *name, const char *version); /* the symbol carries this node */
pid_t check_child(void (*run)(void *), void *argument);                         /* lives until check_end */
void check_ready(void); /* in the child: what it was started for is done */
void check_end(pid_t pid, int signal);

/* A function of a library: F(LIBRARY, int, name, arguments' types...)(arguments...) */
#define F(library, type, name, ...) ((type(*)(__VA_ARGS__))check_symbol(library, #name))

#endif
