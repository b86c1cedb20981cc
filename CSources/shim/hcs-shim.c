/* SPDX-License-Identifier: Apache-2.0
 *
 * hcs-shim: the process between the agent and a workload, so that a workload outlives the agent. It starts the command,
 * pumps its output into bounded files, waits, ends what the command left behind, and writes the outcome.
 *
 *   hcs-shim --dir DIR [--uid N --gid N [--groups N,N,...]] [--log-limit BYTES] [--cwd PATH] -- ARGV...
 *
 * In DIR: reads env (NUL-separated NAME=VALUE); writes shim and child ("pid start_time"), stdout, stderr (rotated once
 * to *.1), and last of all exit, one line of JSON: {"code":N|null,"signal":N|null,"error":"..."|null,"at":unix_ms}.
 * A reader that finds no exit file and neither process alive knows that the shim was killed. Without its shim the
 * workload runs on, but its output pipes have no reader: it gets SIGPIPE or EPIPE when it writes.
 * Started as a group leader that leads no session, it forks: the process that was started exits 0 at once, and DIR/shim
 * names the one to watch. Start it as a session leader to be able to wait for it.
 * SIGTERM is forwarded to the workload's process group; SIGINT and SIGHUP are ignored.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENV_BYTES (1u << 20)
#define ENV_COUNT 8192u
#define LOG_LIMIT (16u << 20)
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define TERM_GRACE_MS 2000 /* between SIGTERM and SIGKILL for what the command left behind */
#define KILL_GRACE_MS 8000 /* after SIGKILL: a process in uninterruptible sleep must not hold the result for ever */
#define EXIT_USAGE 64
#define GROUPS 256

struct options {
    const char *dir;
    const char *cwd;
    char **argv;
    uint64_t log_limit;
    uint32_t uid, gid;
    bool change_user;
    size_t group_count;
    gid_t groups[GROUPS]; /* supplementary: device nodes are often kept for video or render */
};

struct log {
    const char *name, *old_name;
    int pipe; /* -1 = ended */
    int file; /* -1 = cannot be written: output is read and dropped, a full disk must not stop the workload */
    uint64_t size, limit;
};

/* What stopped the child before its own code ran; sent through a pipe that exec closes. */
enum stage { STAGE_SESSION, STAGE_USER, STAGE_CWD, STAGE_OUTPUT, STAGE_PRELOAD, STAGE_EXEC };
struct child_failure {
    enum stage stage;
    int error;
};

static int directory = -1;

static uint64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void close_from(int first) {
    if (syscall(SYS_close_range, (unsigned)first, UINT_MAX, 0) == 0)
        return;
    long limit = sysconf(_SC_OPEN_MAX); /* before Linux 5.9 */
    for (int fd = first; fd < (limit > 0 && limit < 65536 ? limit : 65536); fd++)
        close(fd);
}

/* Files */

static bool write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static bool write_file(const char *name, const char *text) {
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    int fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool written = write_all(fd, text, strlen(text)) && fsync(fd) == 0;
    close(fd);
    return written && renameat(directory, temporary, directory, name) == 0 && fsync(directory) == 0;
}

/* Field 22 of /proc/<pid>/stat; 0 = not readable. */
static uint64_t start_time(pid_t pid) {
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    char *field = strrchr(text, ')');
    for (int i = 2; field != NULL && i < 22; i++)
        field = strchr(field + 1, ' ');
    return field == NULL ? 0 : strtoull(field + 1, NULL, 10);
}

static bool write_identity(const char *name, pid_t pid) {
    char text[64];
    snprintf(text, sizeof text, "%d %llu\n", (int)pid, (unsigned long long)start_time(pid));
    return write_file(name, text);
}

static void quote(char *out, size_t size, const char *text) {
    size_t used = 0;
    for (; *text != '\0' && used + 8 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            out[used++] = '\\';
            out[used++] = (char)c;
        } else if (c < 0x20 || c >= 0x7f) {
            used += (size_t)snprintf(out + used, size - used, "\\u%04x",
                                     c); /* a byte, not decoded: a path may be anything */
        } else {
            out[used++] = (char)c;
        }
    }
    out[used] = '\0';
}

static void number_or_null(char *out, size_t size, int value) {
    if (value < 0)
        snprintf(out, size, "null");
    else
        snprintf(out, size, "%d", value);
}

/* The last act: negative code or signal and NULL error mean null. Returns the shim's own exit status. */
static int finish(int code, int signal_number, const char *error) {
    char quoted[1024] = "", text[1280], code_text[16], signal_text[16];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    number_or_null(code_text, sizeof code_text, code);
    number_or_null(signal_text, sizeof signal_text, signal_number);
    if (error != NULL)
        quote(quoted, sizeof quoted, error);
    snprintf(text, sizeof text, "{\"code\":%s,\"signal\":%s,\"error\":%s%s%s,\"at\":%lld}\n", code_text, signal_text,
             error != NULL ? "\"" : "", error != NULL ? quoted : "null", error != NULL ? "\"" : "",
             (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    return write_file("exit", text) ? 0 : 1;
}

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return finish(-1, -1, text);
}

/* Arguments and environment */

static bool parse_number(const char *text, uint64_t maximum, uint64_t *ret) {
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value > maximum)
        return false;
    *ret = value;
    return true;
}

static bool parse_groups(const char *text, struct options *options) {
    for (;;) {
        char number_text[16];
        size_t length = strcspn(text, ",");
        uint64_t number;
        if (length >= sizeof number_text || options->group_count == GROUPS)
            return false;
        memcpy(number_text, text, length);
        number_text[length] = '\0';
        if (!parse_number(number_text, UINT32_MAX - 1, &number))
            return false;
        options->groups[options->group_count++] = (gid_t)number;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

static bool parse_options(int argc, char **argv, struct options *ret) {
    struct options options = {.log_limit = LOG_LIMIT, .cwd = "/"};
    bool has_uid = false, has_gid = false, has_groups = false;
    uint64_t number;
    int i = 1;
    for (; i < argc && strcmp(argv[i], "--") != 0; i += 2) {
        if (i + 1 >= argc)
            return false;
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--dir") == 0) {
            options.dir = value;
        } else if (strcmp(argv[i], "--cwd") == 0) {
            options.cwd = value;
        } else if (strcmp(argv[i], "--log-limit") == 0 && parse_number(value, UINT64_C(1) << 40, &number) &&
                   number > 0) {
            options.log_limit = number;
        } else if (strcmp(argv[i], "--uid") == 0 && parse_number(value, UINT32_MAX - 1, &number)) {
            options.uid = (uint32_t)number;
            has_uid = true;
        } else if (strcmp(argv[i], "--gid") == 0 && parse_number(value, UINT32_MAX - 1, &number)) {
            options.gid = (uint32_t)number;
            has_gid = true;
        } else if (strcmp(argv[i], "--groups") == 0 && options.group_count == 0 && parse_groups(value, &options)) {
            has_groups = true;
        } else {
            return false;
        }
    }
    if (options.dir == NULL || has_uid != has_gid || (has_groups && !has_uid) || i + 1 >= argc)
        return false;
    options.change_user = has_uid;
    options.argv = &argv[i + 1];
    *ret = options;
    return true;
}

static const char *split_environment(char *data, size_t size, char ***ret) {
    size_t count = 0, used = 0;
    for (size_t i = 0; i < size; i++)
        count += data[i] == '\0';
    if (count > ENV_COUNT)
        return "holds more than 8192 variables";
    char **list = calloc(count + 2, sizeof *list);
    if (list == NULL)
        return "does not fit the memory";
    data[size] = '\0'; /* the last one may lack its NUL */
    for (size_t at = 0; at < size; at += strlen(data + at) + 1) {
        const char *equals = strchr(data + at, '=');
        if (equals == NULL || equals == data + at) {
            free(list);
            return "holds an entry that is not NAME=VALUE";
        }
        list[used++] = data + at;
    }
    *ret = list;
    return NULL;
}

/* Returns NULL or what is wrong with DIR/env. */
static const char *read_environment(char ***ret) {
    struct stat status;
    size_t used = 0;
    int fd = openat(directory, "env", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? "is missing" : "cannot be opened";
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > (off_t)ENV_BYTES) {
        close(fd);
        return S_ISREG(status.st_mode) ? "is larger than 1 MiB" : "is not a regular file";
    }
    size_t capacity = (size_t)status.st_size;
    char *data = malloc(capacity + 1);
    while (data != NULL && used < capacity) {
        ssize_t n = read(fd, data + used, capacity - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    close(fd);
    return data == NULL ? "does not fit the memory" : split_environment(data, used, ret);
}

/* Logs */

static bool open_log(struct log *log, int flags) {
    struct stat status;
    log->file = openat(directory, log->name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | flags, 0640);
    log->size = log->file >= 0 && fstat(log->file, &status) == 0 ? (uint64_t)status.st_size : 0;
    return log->file >= 0;
}

static void append(struct log *log, const char *data, size_t size) {
    while (size > 0 && log->file >= 0) {
        if (log->size >= log->limit) {
            close(log->file);
            renameat(directory, log->name, directory, log->old_name);
            if (!open_log(log, O_TRUNC))
                return;
        }
        size_t part = size < log->limit - log->size ? size : (size_t)(log->limit - log->size);
        if (!write_all(log->file, data, part))
            return;
        log->size += part;
        data += part;
        size -= part;
    }
}

/* Takes what is there, at most 1 MiB: whoever writes as fast as we read must not keep us from signals and the other
 * pipe. The pipe does not block. */
static void pump(struct log *log) {
    static char buffer[65536];
    for (int rounds = 0; rounds < 16 && log->pipe >= 0; rounds++) {
        ssize_t n = read(log->pipe, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close(log->pipe);
            log->pipe = -1;
            return;
        }
        append(log, buffer, (size_t)n);
        if ((size_t)n < sizeof buffer)
            return;
    }
}

/* The child */

static void search_and_execute(char **argv, char **environment) {
    const char *path = DEFAULT_PATH;
    char candidate[PATH_MAX];
    int error = ENOENT;
    if (strchr(argv[0], '/') != NULL) {
        execve(argv[0], argv, environment);
        return;
    }
    for (char **entry = environment; *entry != NULL; entry++) {
        if (strncmp(*entry, "PATH=", 5) == 0)
            path = *entry + 5;
    }
    while (argv[0][0] != '\0') {
        size_t length = strcspn(path, ":");
        int n = snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)(length < PATH_MAX ? length : PATH_MAX), path,
                         length > 0 ? "/" : "./", argv[0]);
        if (n > 0 && (size_t)n < sizeof candidate) {
            execve(candidate, argv, environment);
            if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
                return;
            if (errno == EACCES)
                error = EACCES;
        }
        if (path[length] == '\0')
            break;
        path += length + 1;
    }
    errno = error;
}

static bool become_user(const struct options *options) {
    if (!options->change_user)
        return true;
    if (geteuid() != 0 && options->uid == getuid() && options->gid == getgid())
        return true;
    return setgroups(options->group_count, options->groups) == 0 && setresgid(options->gid, options->gid, options->gid) == 0 &&
           setresuid(options->uid, options->uid, options->uid) == 0;
}

/* The dynamic linker passes over what it cannot read of LD_PRELOAD, with one line on stderr: the workload would run without
 * its quota. Asked as the workload's user. */
static bool preload_is_readable(char **environment) {
    for (char **variable = environment; *variable != NULL; variable++) {
        if (strncmp(*variable, "LD_PRELOAD=", 11) != 0)
            continue;
        char list[PATH_MAX], *rest = NULL;
        if (snprintf(list, sizeof list, "%s", *variable + 11) >= (int)sizeof list) {
            errno = ENAMETOOLONG;
            return false;
        }
        for (char *path = strtok_r(list, ": ", &rest); path != NULL; path = strtok_r(NULL, ": ", &rest)) {
            int file = path[0] == '/' ? open(path, O_RDONLY | O_CLOEXEC) : 0;
            if (file < 0)
                return false;
            if (file > 2)
                close(file);
        }
    }
    return true;
}

static void reset_signals(void) {
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* refused for SIGKILL, SIGSTOP */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void run_child(const struct options *options, char **environment, int output,
                                                int errors, int report) {
    struct child_failure failure = {.stage = STAGE_SESSION};
    reset_signals();
    umask(022);
    if (setsid() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        goto failed;
    failure.stage = STAGE_OUTPUT;
    /* The pipes' numbers are above 2, since 0 to 2 are /dev/null in the shim. */
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0)
        goto failed;
    if (report != 3) {
        if (dup3(report, 3, O_CLOEXEC) < 0)
            goto failed;
        report = 3;
    }
    close_from(4);
    failure.stage = STAGE_USER;
    if (!become_user(options))
        goto failed;
    failure.stage = STAGE_CWD;
    if (chdir(options->cwd) != 0)
        goto failed;
    failure.stage = STAGE_PRELOAD;
    if (!preload_is_readable(environment))
        goto failed;
    failure.stage = STAGE_EXEC;
    search_and_execute(options->argv, environment);
failed:
    failure.error = errno;
    write_all(report, (const char *)&failure, sizeof failure);
    _exit(127);
}

static int report_failure(const struct options *options, struct child_failure failure) {
    const char *why = strerror(failure.error);
    switch (failure.stage) {
    case STAGE_SESSION:
        return fail("cannot start a session for the workload: %s", why);
    case STAGE_OUTPUT:
        return fail("cannot connect the workload's output: %s", why);
    case STAGE_USER:
        return fail("cannot become uid %u gid %u: %s", options->uid, options->gid, why);
    case STAGE_CWD:
        return fail("cannot enter working directory %s: %s", options->cwd, why);
    case STAGE_PRELOAD:
        return fail("cannot read the preload library as the workload's user, and without it no quota holds: %s", why);
    case STAGE_EXEC:
        return fail("cannot execute %s: %s", options->argv[0], why);
    }
    return fail("the workload could not be started: %s", why);
}

/* Waiting */

/* Our children, which as subreaper we get from any depth: all that live and zombies. -1 = the kernel does not say
 * (no CONFIG_PROC_CHILDREN). */
static int list_children(pid_t *out, int capacity) {
    char path[64], text[4096], *at = text, *end;
    int count = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    for (long pid; count < capacity && (pid = strtol(at, &end, 10)) > 0 && *end == ' '; at = end + 1) {
        out[count++] = (pid_t)pid; /* a number cut by the buffer's end has no blank behind it */
    }
    return count;
}

/* Reaps what can be, but for the main child: it stays a zombie, so that its number, which names its group, cannot pass
 * to a stranger while the group is still signalled. Signals the others when `number` is not 0. Returns how many are
 * left, -1 = not known. */
static int reap_and_signal_others(pid_t child, int number) {
    pid_t children[512];
    int left = 0, count = list_children(children, 512);
    if (number != 0)
        kill(-child, number);
    for (int i = 0; i < count; i++) {
        if (children[i] == child || waitpid(children[i], NULL, WNOHANG) != 0)
            continue;
        if (number != 0)
            kill(children[i], number);
        left++;
    }
    return count < 0 ? -1 : left;
}

static bool has_ended(pid_t child) {
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child;
}

static void handle_signals(int signals, pid_t child) {
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTERM && child > 0)
            kill(-child, SIGTERM);
    }
}

static void wait_for_events(int signals, struct log logs[2], pid_t child, int timeout_ms) {
    struct pollfd polled[] = {{.fd = signals, .events = POLLIN},
                              {.fd = logs[0].pipe, .events = POLLIN},
                              {.fd = logs[1].pipe, .events = POLLIN}};
    poll(polled, 3, timeout_ms);
    handle_signals(signals, child);
    pump(&logs[0]);
    pump(&logs[1]);
}

/* The main child has ended: SIGTERM to the rest once, SIGKILL after the grace, all of it bounded in time. */
static void end_the_rest(int signals, struct log logs[2], pid_t child) {
    uint64_t began = monotonic_ms(), elapsed = 0;
    int left = reap_and_signal_others(child, SIGTERM);
    while (left != 0 && elapsed <= TERM_GRACE_MS + KILL_GRACE_MS) {
        wait_for_events(signals, logs, child, 20);
        elapsed = monotonic_ms() - began;
        left = reap_and_signal_others(child, elapsed >= TERM_GRACE_MS ? SIGKILL : 0);
        if (left < 0 && elapsed >= TERM_GRACE_MS)
            return;
    }
}

static int supervise(int signals, struct log logs[2], pid_t child) {
    int status = 0;
    while (!has_ended(child)) {
        wait_for_events(signals, logs, child, -1);
        siginfo_t info = {.si_pid = 0};
        while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0 && info.si_pid != child) {
            waitpid(info.si_pid, NULL, WNOHANG);
            info.si_pid = 0;
        }
    }
    end_the_rest(signals, logs, child);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    for (int rounds = 0; rounds < 100 && waitpid(-1, NULL, WNOHANG) >= 0; rounds++) {
        pid_t missed; /* the list of children may leave out one while others come and go */
        if (list_children(&missed, 1) == 1)
            kill(missed, SIGKILL);
        wait_for_events(signals, logs, 0, 10);
    }
    for (int i = 0; i < 2; i++) {
        for (int rounds = 0; logs[i].pipe >= 0 && rounds < 64; rounds++)
            pump(&logs[i]); /* a pipe holds at most 1 MiB */
        if (logs[i].file >= 0)
            fsync(logs[i].file);
    }
    if (WIFSIGNALED(status))
        return finish(-1, WTERMSIG(status), NULL);
    return finish(WEXITSTATUS(status), -1, NULL);
}

/* Start */

static bool detach(void) {
    if (setsid() < 0 && getsid(0) != getpid()) { /* a group leader cannot start a session */
        pid_t pid = fork();
        if (pid < 0)
            return false;
        if (pid > 0)
            _exit(0);
        if (setsid() < 0)
            return false;
    }
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0); /* survives exec: the agent must not take us with it */
    return prctl(PR_SET_NAME, "hcs-shim", 0, 0, 0) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

static int open_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool silence(void) {
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return fd >= 0 && dup2(fd, 0) >= 0 && dup2(fd, 1) >= 0 && dup2(fd, 2) >= 0 && (fd <= 2 || close(fd) == 0);
}

static int run(const struct options *options) {
    struct log logs[2] = {{.name = "stdout", .old_name = "stdout.1", .limit = options->log_limit},
                          {.name = "stderr", .old_name = "stderr.1", .limit = options->log_limit}};
    int writers[2], report[2];
    char **environment = NULL;
    struct child_failure failure;

    unlinkat(directory, "exit", 0); /* of an earlier start in the same directory */
    unlinkat(directory, "child", 0);
    if (!write_identity("shim", getpid()))
        return 1;
    const char *wrong = read_environment(&environment);
    if (wrong != NULL)
        return fail("the environment file env %s", wrong);
    int signals = open_signals();
    if (signals < 0)
        return fail("cannot receive signals: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (!open_log(&logs[i], 0))
            return fail("cannot open the log %s: %s", logs[i].name, strerror(errno));
        if (pipe2(ends, O_CLOEXEC) != 0)
            return fail("cannot make a pipe: %s", strerror(errno));
        logs[i].pipe = ends[0];
        writers[i] = ends[1];
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        if (options->change_user && fchown(ends[1], options->uid, options->gid) != 0) {
            /* then only /dev/stdout cannot be opened again by the workload */
        }
    }
    if (pipe2(report, O_CLOEXEC) != 0)
        return fail("cannot make a pipe: %s", strerror(errno));

    pid_t child = fork();
    if (child < 0)
        return fail("cannot fork: %s", strerror(errno));
    if (child == 0)
        run_child(options, environment, writers[0], writers[1], report[1]);
    close(writers[0]);
    close(writers[1]);
    close(report[1]);
    ssize_t n;
    while ((n = read(report[0], &failure, sizeof failure)) < 0 && errno == EINTR) {
    }
    close(report[0]);
    if (n == sizeof failure) {
        waitpid(child, NULL, 0);
        return report_failure(options, failure);
    }
    write_identity("child", child); /* where it fails, exit is still written */
    return supervise(signals, logs, child);
}

int main(int argc, char **argv) {
    struct options options;
    if (!parse_options(argc, argv, &options)) {
        fputs("usage: hcs-shim --dir DIR [--uid N --gid N [--groups N,N,...]] [--log-limit BYTES] [--cwd PATH] -- ARGV...\n", stderr);
        return EXIT_USAGE;
    }
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return 1;
    }
    close_from(3);
    directory = open(options.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        fprintf(stderr, "hcs-shim: cannot open %s: %s\n", options.dir, strerror(errno));
        return 1;
    }
    if (!detach() || !silence())
        return fail("the shim cannot detach: %s", strerror(errno));
    return run(&options);
}
