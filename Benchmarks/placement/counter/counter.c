#include "hcs_counter.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

long long hcs_counter_instructions(void) {
    static int fd = -2;
    if (fd == -2) {
        struct perf_event_attr attr = {
            .type = PERF_TYPE_HARDWARE,
            .size = sizeof attr,
            .config = PERF_COUNT_HW_INSTRUCTIONS,
            .exclude_kernel = 1,
            .exclude_hv = 1,
        };
        fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    }
    long long count;
    return fd >= 0 && read(fd, &count, sizeof count) == sizeof count ? count : -1;
}
