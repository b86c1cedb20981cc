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

/* CPUs of a node; 0 for a node with memory only. */
static inline int hcs_numa_node_cpus(int node) {
    struct bitmask *mask = numa_allocate_cpumask();
    int count = 0;
    if (mask == NULL)
        return 0;
    if (numa_node_to_cpus(node, mask) == 0)
        count = (int)numa_bitmask_weight(mask);
    numa_free_cpumask(mask);
    return count;
}

#endif
