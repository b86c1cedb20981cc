/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processors of this host can do: a blocked matrix product and the triad of STREAM (a[i] = b[i] + s * c[i]) on
 * every CPU the process may use, one thread for each.
 */
#ifndef HCS_MEASURE_H
#define HCS_MEASURE_H

#include <stdint.h>

#define HCS_MEASURE_THREADS 4096u

struct hcs_measure_cpu {
    double fp32_tflops;
    double fp64_tflops;
    double bandwidth_gbps; /* 0: the arrays could not be made larger than the caches; bytes as STREAM counts them */
    uint64_t cache_bytes;  /* last level, of all CPUs used */
    uint64_t array_bytes;  /* of the three arrays together */
    uint32_t threads;
    char unit[16];
};

/* Name of a vector unit that this program has a kernel for and this CPU has, best first; NULL beyond the last. */
const char *hcs_measure_unit(uint32_t position);

/* Measures for about so many milliseconds; the arrays take at most memory_limit bytes and a quarter of what is free.
 * unit NULL: the best. 0, or -ENOENT (no such unit here), -ENOMEM, -EAGAIN (no threads), -EIO (a wrong result). */
int hcs_measure_run(const char *unit, uint32_t milliseconds, uint64_t memory_limit, struct hcs_measure_cpu *ret);

#endif
