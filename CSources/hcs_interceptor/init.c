/* SPDX-License-Identifier: Apache-2.0
 *
 * What this process is held to, decided once: by the constructor, or by the first hook where another library's constructor
 * calls one before ours has run. What cannot be kept is said at the first denied request, not at start: most processes
 * of a workload never touch a device, and their output is not ours to write into.
 */
#include <stdlib.h>
#include <string.h>

#include "hook.h"
#include "sys.h"

uint32_t hcs_mode_word;
__thread int hcs_depth __attribute__((tls_model("initial-exec")));

uint32_t hcs_init_lock;
static char reason[480];

static enum hcs_mode deny(const char *subject, const char *value, const char *what, const char *detail) {
    const char *pieces[] = {subject, value ? " \"" : "", value ? value : "", value ? "\": " : ": ", what,
                            detail ? ": " : "", detail ? detail : ""};
    size_t length = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (const char *c = pieces[i]; *c && length < sizeof reason - 1; c++)
            reason[length++] = *c;
    reason[length] = '\0';
    return HCS_MODE_DENY;
}

void hcs_say_denial_reason(void) {
    static uint32_t once;
    hcs_say(HCS_LOG_ERROR, &once, "no device memory is granted: ", reason, NULL);
}

/* A standalone file goes away with its last process, and a process is none between fork, or exec, and our constructor: a
 * shell that starts its last command in the background and ends may take the file with it. The name and the quota are
 * both still here, so the file is made again. Any other missing segment is denied. */
static enum hcs_mode use_segment(const char *path, const char *quota) {
    const char *what = NULL, *detail = NULL;
    int r = path[0] == '\0' ? -EINVAL : hcs_segment_join(path, &what);
    const char *name = r == -ENOENT && quota ? hcs_standalone_name_in(path) : NULL;
    if (name) {
        r = hcs_standalone_open(quota, name, &what, &detail);
        return r < 0 ? deny("HCS_VRAM_QUOTA", quota, what, detail) : HCS_MODE_ON;
    }
    if (r < 0)
        return deny("HCS_SEGMENT", path, what ? what : "it is set but empty", detail);
    return HCS_MODE_ON;
}

static enum hcs_mode use_quota(const char *quota) {
    const char *what = NULL, *detail = NULL;
    char name[HCS_UUID_BYTES];
    const char *job = getenv("HCS_JOB");
    if (hcs_standalone_name(job, name, sizeof name) < 0)
        return deny("HCS_JOB", job, "a job's name has 1 to 63 letters, digits, dots, dashes or underscores", NULL);
    hcs_standalone_sweep();
    if (hcs_standalone_open(quota, name, &what, &detail) < 0)
        return deny("HCS_VRAM_QUOTA", quota, what, detail);
    if (setenv("HCS_SEGMENT", hcs_state.path, 1) < 0)
        return deny("HCS_VRAM_QUOTA", quota, "cannot put HCS_SEGMENT into the environment", NULL);
    return HCS_MODE_ON;
}

static enum hcs_mode decide(void) {
    const char *segment = getenv("HCS_SEGMENT"), *quota = getenv("HCS_VRAM_QUOTA");
    if (!segment && !quota)
        return HCS_MODE_OFF;
    hcs_log_configure(getenv("HCS_LOG_LEVEL"));
    enum hcs_mode mode = segment ? use_segment(segment, quota) : use_quota(quota);
    if (mode == HCS_MODE_ON)
        hcs_segment_reap_former_self();
    return mode;
}

static void initialise(void) {
    hcs_lock(&hcs_init_lock);
    if (__atomic_load_n(&hcs_mode_word, __ATOMIC_ACQUIRE) == 0) {
        hcs_fork_prepare_mark();
        __atomic_store_n(&hcs_mode_word, (uint32_t)decide(), __ATOMIC_RELEASE);
    }
    hcs_unlock(&hcs_init_lock);
}

enum hcs_mode hcs_mode_slow(void) {
    int saved = errno;
    if (__atomic_load_n(&hcs_mode_word, __ATOMIC_ACQUIRE) == 0)
        initialise();
    hcs_fork_check();
    errno = saved;
    return (enum hcs_mode)__atomic_load_n(&hcs_mode_word, __ATOMIC_ACQUIRE);
}

__attribute__((constructor)) static void start(void) { (void)hcs_mode(); }

__attribute__((destructor)) static void stop(void) {
    /* A vfork child that calls exit runs this in its parent's memory. */
    if (hcs_mode() != HCS_MODE_ON || hcs_state.pid != hcs_getpid())
        return;
    int saved = errno;
    hcs_segment_leave();
    if (hcs_state.standalone)
        hcs_standalone_leave();
    errno = saved;
}
