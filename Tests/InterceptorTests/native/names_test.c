/* SPDX-License-Identifier: Apache-2.0
 *
 * A process that is forked while another thread fills the table of names: the child has the lock, and half the table. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../CSources/hcs_interceptor/resolve.c"

#define HCS_HOOK(name, ...) char hcs_hook_##name[1];
#define HCS_QUERY(name)
#include "vendors.def"
#undef HCS_HOOK
#undef HCS_QUERY

__thread int hcs_depth;
uint32_t hcs_mode_word = HCS_MODE_OFF;
static uint32_t mark = 1;
uint32_t *hcs_fork_mark = &mark;
enum hcs_mode hcs_mode_slow(void) { return HCS_MODE_OFF; }

static int names_are_there(void) {
    ensure_prepared();
    int entries = 0;
    for (int i = 0; i < NAME_SLOTS; i++)
        entries += name_table[i] != 0;
    for (int i = 0; i < HCS_INDEX_COUNT; i++)
        if (index_of(symbols[i].name) != i)
            return 0;
    return entries == HCS_INDEX_COUNT;
}

int main(void) {
    int status;
    names_lock = 1;
    for (uint16_t i = 0; i < HCS_INDEX_COUNT / 2; i++)
        name_table[i] = (uint16_t)(i + 1);
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        hcs_names_after_fork();
        _exit(!names_are_there());
    }
    return waitpid(child, &status, 0) != child || status != 0;
}
