/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps a process alive when a file that it has mapped is truncated by somebody else: the kernel raises SIGBUS for a page
 * that is gone. A fault inside a guarded range puts an anonymous page there instead and marks the range; any other SIGBUS
 * goes where it went before.
 */
#ifndef HCS_GUARD_H
#define HCS_GUARD_H

#include <stddef.h>

/* Guards size bytes from start, a page boundary. A number for the calls below, or -ENOSPC when all places are taken.
 * The first call installs the signal handler. */
int hcs_guard_add(void *start, size_t size);

/* 1 when a page of the range was gone: what the range holds now is worth nothing. */
int hcs_guard_was_hit(int number);

/* Ends the guard. Before munmap: the address may be somebody else's right after it. */
void hcs_guard_remove(int number);

#endif
