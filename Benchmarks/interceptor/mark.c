/* SPDX-License-Identifier: Apache-2.0
 *
 * Constructors around a preload library: the loader runs those of LD_PRELOAD from the last to the first, so
 * "libafter.so:library:libbefore.so" brackets the library's own. The worker reads the two times.
 */
#include <stdint.h>
#include <time.h>

__attribute__((visibility("default"))) uint64_t MARK;

__attribute__((constructor)) static void mark(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    MARK = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
