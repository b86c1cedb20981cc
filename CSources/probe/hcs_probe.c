/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "hcs_probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HCS_LINK_LIMIT 256

struct hcs_probe {
    struct bpf_object *object;
    struct ring_buffer *ring;
    hcs_probe_callback callback;
    void *context;
    int drops_fd;
    int consumed; /* by this hcs_probe_consume */
    int link_count;
    struct bpf_link *links[HCS_LINK_LIMIT];
};

#define CONSUME_LIMIT 4096
#define ITERATE_LIMIT (1 << 16)

/* libbpf has one print callback for the process and calls it on the thread that works: so the target is thread-local. */
static __thread char *log_text;
static __thread size_t log_capacity;

static int capture(enum libbpf_print_level level, const char *format, va_list arguments) {
    size_t used, room;
    int n;
    if (level == LIBBPF_DEBUG || log_text == NULL || log_capacity < 2)
        return 0;
    used = strlen(log_text);
    if (used > log_capacity / 2) { /* keep the end: the reason stands there */
        size_t cut = used - log_capacity / 4;
        memmove(log_text, log_text + cut, used - cut + 1);
        used -= cut;
    }
    room = log_capacity - used;
    n = vsnprintf(log_text + used, room, format, arguments);
    if (n < 0)
        log_text[used] = 0;
    return 0;
}

static void install_capture(void) { libbpf_set_print(capture); }

static void capture_into(char *log, size_t size) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, install_capture);
    log_text = log;
    log_capacity = size;
    if (log != NULL && size > 0)
        log[0] = 0;
}

static int on_event(void *context, void *data, size_t size) {
    struct hcs_probe *probe = context;
    probe->callback(probe->context, data, size);
    /* Under a storm the buffer is never empty: libbpf stops at a negative result, this event taken. */
    return ++probe->consumed < CONSUME_LIMIT ? 0 : -EAGAIN;
}

/* Fills *probe; the caller closes it on failure. */
static int load(struct hcs_probe *probe, const void *object, size_t size) {
    int events, r;

    /* libbpf 1.x: NULL and errno on failure */
    probe->object = bpf_object__open_mem(object, size, NULL);
    if (probe->object == NULL)
        return -errno;
    r = bpf_object__load(probe->object);
    if (r < 0)
        return r;
    if (bpf_object__find_map_by_name(probe->object, "events") == NULL) /* an iterator's object */
        return 0;
    events = bpf_object__find_map_fd_by_name(probe->object, "events");
    if (events < 0)
        return events;
    probe->drops_fd = bpf_object__find_map_fd_by_name(probe->object, "drops");
    if (probe->drops_fd < 0)
        return probe->drops_fd;
    probe->ring = ring_buffer__new(events, on_event, probe, NULL);
    return probe->ring == NULL ? -errno : 0;
}

int hcs_probe_load(const void *object, size_t size, hcs_probe_callback callback, void *context, char *log,
                   size_t log_size, struct hcs_probe **ret_probe) {
    struct hcs_probe *probe;
    int r;

    if (object == NULL || size == 0 || callback == NULL || ret_probe == NULL)
        return -EINVAL;
    probe = calloc(1, sizeof(*probe));
    if (probe == NULL)
        return -ENOMEM;
    probe->callback = callback;
    probe->context = context;
    probe->drops_fd = -1;
    capture_into(log, log_size);
    r = load(probe, object, size);
    capture_into(NULL, 0);
    if (r < 0) {
        hcs_probe_close(probe);
        return r;
    }
    *ret_probe = probe;
    return 0;
}

static int attach(struct hcs_probe *probe) {
    struct bpf_program *program;

    bpf_object__for_each_program(program, probe->object) {
        struct bpf_link *link;
        if (probe->link_count == HCS_LINK_LIMIT)
            return -E2BIG;
        link = bpf_program__attach(program);
        if (link == NULL)
            return -errno;
        probe->links[probe->link_count++] = link;
    }
    return probe->link_count > 0 ? 0 : -ENOENT;
}

int hcs_probe_attach(struct hcs_probe *probe, char *log, size_t log_size) {
    int r;
    capture_into(log, log_size);
    r = attach(probe);
    capture_into(NULL, 0);
    return r;
}

int hcs_probe_test_run(struct hcs_probe *probe, const uint64_t *arguments, size_t count) {
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments, .ctx_size_in = (uint32_t)(count * sizeof(*arguments)));
    struct bpf_program *program = bpf_object__next_program(probe->object, NULL);
    if (program == NULL)
        return -ENOENT;
    return bpf_prog_test_run_opts(bpf_program__fd(program), &options);
}

int hcs_probe_fd(const struct hcs_probe *probe) {
    return probe->ring == NULL ? -ENOTSUP : ring_buffer__epoll_fd(probe->ring);
}

int hcs_probe_consume(struct hcs_probe *probe) {
    int r;
    if (probe->ring == NULL)
        return -ENOTSUP;
    probe->consumed = 0;
    r = ring_buffer__consume(probe->ring);
    return r == -EAGAIN ? probe->consumed : r;
}

int hcs_probe_drops(const struct hcs_probe *probe, uint64_t *ret_drops) {
    uint32_t key = 0;
    uint64_t value = 0;
    int r;
    if (probe->drops_fd < 0)
        return -ENOTSUP;
    r = bpf_map_lookup_elem(probe->drops_fd, &key, &value);
    if (r < 0)
        return r;
    *ret_drops = value;
    return 0;
}

/* Attaches one of the two programs, "on_entry" or "on_return". */
static int attach_call(struct hcs_probe *probe, const char *program, const char *library, const char *function,
                       uint64_t cookie) {
    LIBBPF_OPTS(bpf_uprobe_opts, options, .func_name = function, .retprobe = strcmp(program, "on_return") == 0,
                .bpf_cookie = cookie);
    struct bpf_program *found = bpf_object__find_program_by_name(probe->object, program);
    struct bpf_link *link;

    if (found == NULL)
        return -ENOENT;
    if (probe->link_count == HCS_LINK_LIMIT)
        return -E2BIG;
    link = bpf_program__attach_uprobe_opts(found, -1, library, 0, &options);
    if (link == NULL)
        return -errno;
    probe->links[probe->link_count++] = link;
    return 0;
}

int hcs_probe_attach_call(struct hcs_probe *probe, const char *library, const char *function, uint64_t cookie, char *log,
                          size_t log_size) {
    int before = probe->link_count, r;
    capture_into(log, log_size);
    /* The return first: an entry without its return would never be told. */
    r = attach_call(probe, "on_return", library, function, cookie);
    if (r == 0)
        r = attach_call(probe, "on_entry", library, function, cookie);
    if (r < 0 && probe->link_count > before)
        bpf_link__destroy(probe->links[--probe->link_count]);
    capture_into(NULL, 0);
    return r;
}

int hcs_probe_set(struct hcs_probe *probe, const char *map, uint64_t value) {
    uint32_t key = 0;
    int fd = bpf_object__find_map_fd_by_name(probe->object, map);
    return fd < 0 ? fd : bpf_map_update_elem(fd, &key, &value, BPF_ANY);
}

static int mark(struct hcs_probe *probe, const char *map, const void *key, int marked) {
    uint8_t value = 1;
    int r, fd = bpf_object__find_map_fd_by_name(probe->object, map);
    if (fd < 0)
        return fd;
    if (marked)
        return bpf_map_update_elem(fd, key, &value, BPF_ANY);
    r = bpf_map_delete_elem(fd, key);
    return r == -ENOENT ? 0 : r;
}

int hcs_probe_mark(struct hcs_probe *probe, const char *map, uint32_t key, int marked) {
    return mark(probe, map, &key, marked);
}

int hcs_probe_mark_wide(struct hcs_probe *probe, const char *map, uint64_t key, int marked) {
    return mark(probe, map, &key, marked);
}

int hcs_probe_values(struct hcs_probe *probe, const char *map, void *ret_values, size_t size, size_t limit) {
    struct bpf_map *found = bpf_object__find_map_by_name(probe->object, map);
    uint32_t key = 0, next;
    size_t count = 0, steps = 0;
    int fd;

    if (found == NULL || bpf_map__key_size(found) != sizeof(key) || bpf_map__value_size(found) != size)
        return -EINVAL;
    fd = bpf_map__fd(found);
    /* A key that was taken out sends the walk to the beginning again: hence a limit of its own. */
    for (void *from = NULL; count < limit && steps < 2 * limit; steps++, from = &key) {
        if (bpf_map_get_next_key(fd, from, &next) < 0)
            break;
        key = next;
        if (bpf_map_lookup_elem(fd, &key, (char *)ret_values + count * size) == 0)
            count++;
    }
    return (int)count;
}

/* The kernel gives whole reads, not whole records: what is left of one is kept for the next. */
static int read_records(struct hcs_probe *probe, int fd, size_t record_size) {
    char buffer[16 << 10];
    size_t used = 0;
    int count = 0;

    while (count < ITERATE_LIMIT) {
        size_t at = 0;
        ssize_t n = read(fd, buffer + used, sizeof(buffer) - used);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) /* EAGAIN: the kernel looked at many tasks without a record */
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return count;
        used += (size_t)n;
        for (; used - at >= record_size; at += record_size, count++)
            probe->callback(probe->context, buffer + at, record_size);
        used -= at;
        memmove(buffer, buffer + at, used);
    }
    return count;
}

int hcs_probe_iterate(struct hcs_probe *probe, size_t record_size) {
    int fd, r;
    if (probe->link_count != 1 || record_size == 0 || record_size > 4096)
        return -EINVAL;
    fd = bpf_iter_create(bpf_link__fd(probe->links[0]));
    if (fd < 0)
        return fd;
    r = read_records(probe, fd, record_size);
    close(fd);
    return r;
}

void hcs_probe_close(struct hcs_probe *probe) {
    if (probe == NULL)
        return;
    for (int i = 0; i < probe->link_count; i++)
        bpf_link__destroy(probe->links[i]);
    ring_buffer__free(probe->ring);
    bpf_object__close(probe->object);
    free(probe);
}

int hcs_probe_check_permission(void) {
    int fd;
    capture_into(NULL, 0);
    /* A ring buffer, as ours: the array map is open to unprivileged users on some hosts and would prove nothing. */
    fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "hcs_check", 0, 0, (unsigned)sysconf(_SC_PAGESIZE), NULL);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

int hcs_probe_has_tracepoint(const char *name) {
    struct btf *btf;
    char type[128];
    int r;

    /* include/trace/bpf_probe.h declares this type for every tracepoint */
    if (snprintf(type, sizeof(type), "btf_trace_%s", name) >= (int)sizeof(type))
        return -ENAMETOOLONG;
    capture_into(NULL, 0);
    btf = btf__load_vmlinux_btf();
    if (btf == NULL)
        return -errno;
    r = btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF);
    btf__free(btf);
    return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int hcs_probe_log_event(const void *data, size_t size, uint64_t *ret_ktime_ns, const char **ret_text,
                        uint32_t *ret_length) {
    const struct hcs_log_event *event = data;
    if (size < sizeof(*event) || event->length >= HCS_LOG_TEXT_BYTES)
        return -EBADMSG;
    *ret_ktime_ns = event->ktime_ns;
    *ret_text = event->text;
    *ret_length = event->length;
    return 0;
}
