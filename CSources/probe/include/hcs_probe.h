/* SPDX-License-Identifier: Apache-2.0
 *
 * One BPF object of ours, loaded and attached: libbpf's lifetimes, its log and its variadic callback in one place.
 * An object on tracepoints has a ring buffer "events" and an array "drops" with one 64-bit counter; an iterator's has
 * neither and is read with hcs_probe_iterate. Functions return 0 or more, or a
 * negative errno; ret_ parameters are untouched on failure. One thread uses a handle at a time.
 */
#ifndef HCS_PROBE_H
#define HCS_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "../../../bpf/include/hcs_events.h"

struct hcs_probe;

/* Called for each event, on the consuming thread. `data` is valid during the call only. */
typedef void (*hcs_probe_callback)(void *context, const void *data, size_t size);

/* Loads the object. libbpf's and the verifier's words go to `log` (at most log_size - 1 bytes and a NUL, the end of them
 * when they are more). Needs CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN), and kernel BTF. */
int hcs_probe_load(const void *object, size_t size, hcs_probe_callback callback, void *context, char *log,
                   size_t log_size, struct hcs_probe **ret_probe);

/* Attaches the object's programs; `log` as above. After a failure the probe can only be closed. */
int hcs_probe_attach(struct hcs_probe *probe, char *log, size_t log_size);

/* Attaches the programs "on_entry" and "on_return" to a function of a library, for all processes that use it; they see
 * `cookie`. -ENOENT where the library has no such function. In place of hcs_probe_attach. */
int hcs_probe_attach_call(struct hcs_probe *probe, const char *library, const char *function, uint64_t cookie, char *log,
                          size_t log_size);

/* Sets the only value of an array of 64-bit values. */
int hcs_probe_set(struct hcs_probe *probe, const char *map, uint64_t value);

/* BPF_PROG_TEST_RUN of the object's only program, a raw_tp, with a tracepoint's arguments. For tests. */
int hcs_probe_test_run(struct hcs_probe *probe, const uint64_t *arguments, size_t count);

/* Readable (poll, epoll) when events wait. */
int hcs_probe_fd(const struct hcs_probe *probe);

/* Hands waiting events to the callback, at most some thousands; returns their number. Never blocks. */
int hcs_probe_consume(struct hcs_probe *probe);

/* Events that did not fit into the ring buffer. */
int hcs_probe_drops(const struct hcs_probe *probe, uint64_t *ret_drops);

/* Puts `key` into a map that is a set (32-bit keys, 8-bit values), or takes it out; -E2BIG where the map is full. */
int hcs_probe_mark(struct hcs_probe *probe, const char *map, uint32_t key, int marked);

/* The same for a set of 64-bit keys. */
int hcs_probe_mark_wide(struct hcs_probe *probe, const char *map, uint64_t key, int marked);

/* Copies the values of a hash map with 32-bit keys, `size` bytes each, at most `limit` of them; returns their number. What
 * the program takes out meanwhile may be missing, and so may what follows it. */
int hcs_probe_values(struct hcs_probe *probe, const char *map, void *ret_values, size_t size, size_t limit);

/* Runs an attached iterator once and hands each of its records to the callback; returns their number, at most some ten
 * thousands. The kernel walks all tasks meanwhile: milliseconds. */
int hcs_probe_iterate(struct hcs_probe *probe, size_t record_size);

/* Detaches and frees. NULL is fine. */
void hcs_probe_close(struct hcs_probe *probe);

/* Tries bpf(2) with the smallest thing there is (a map). 0, or -EPERM without the capability, -ENOSYS
 * without BPF in the kernel. */
int hcs_probe_check_permission(void);

/* Whether the running kernel has this tracepoint ("aer_event"), as its BTF tells: 1, 0, or a negative errno. */
int hcs_probe_has_tracepoint(const char *name);

/* Layout of hcs_log_event (bpf/include/hcs_events.h), read by offset so that a hostile size cannot be over-read.
 * 0 and a pointer into `data`; -EBADMSG for an event that is not one. */
int hcs_probe_log_event(const void *data, size_t size, uint64_t *ret_ktime_ns, const char **ret_text,
                        uint32_t *ret_length);

#endif
