/* SPDX-License-Identifier: Apache-2.0
 * libnuma for Swift (package libnuma-dev, numa(3)). Its struct bitmask and its macros do not import well; these few do.
 */
#ifndef HCS_NUMA_H
#define HCS_NUMA_H

#include <errno.h>
#include <numa.h>
#include <stdint.h>

/* Highest node number, or -ENOSYS where the kernel has no NUMA support: nothing else may be called then. */
static inline int hcs_numa_highest_node(void) {
    return numa_available() < 0 ? -ENOSYS : numa_max_node();
}

/* Memory of a node in bytes; -ENOENT for a node that does not exist (numbers may have gaps). */
static inline int64_t hcs_numa_node_memory(int node) {
    long long bytes = numa_node_size64(node, NULL);
    return bytes < 0 ? -ENOENT : bytes;
}

/* Sets a byte for each CPU of a node; none for a node with memory only. */
static inline void hcs_numa_node_cpus(int node, uint8_t *ret_flags, uint32_t count) {
    struct bitmask *mask = numa_allocate_cpumask();
    if (mask == NULL)
        return;
    if (numa_node_to_cpus(node, mask) == 0)
        for (uint32_t cpu = 0; cpu < count && cpu < mask->size; cpu++)
            ret_flags[cpu] = (uint8_t)numa_bitmask_isbitset(mask, cpu);
    numa_free_cpumask(mask);
}

/* As the firmware tells, 10 = local; 0 where it does not. */
static inline int hcs_numa_distance(int from, int to) {
    return numa_distance(from, to);
}

#endif
