/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines for people, on descriptor 2. No stdio: its locks and buffers belong to the application, and a hook may run where
 * they are held.
 */
#include <stdarg.h>
#include <string.h>

#include "hook.h"
#include "sys.h"

static int threshold = HCS_LOG_ERROR;

void hcs_log_configure(const char *level) {
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (int i = 0; level && i < 4; i++)
        if (strcmp(level, names[i]) == 0)
            threshold = i;
}

void hcs_say(enum hcs_log_level level, uint32_t *once, ...) {
    if ((int)level > threshold || (once && __atomic_exchange_n(once, 1, __ATOMIC_RELAXED)))
        return;
    int saved = errno;
    char line[512] = "hcs: ";
    size_t length = 5;
    va_list pieces;
    va_start(pieces, once);
    for (const char *piece; (piece = va_arg(pieces, const char *));)
        while (*piece && length < sizeof line - 1) {
            /* Values come from the environment and from files: a line stays a line. */
            unsigned char c = (unsigned char)*piece++;
            line[length++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
        }
    va_end(pieces);
    line[length++] = '\n';
    for (size_t written = 0; written < length;) {
        long n = hcs_sys(SYS_write, 2, line + written, length - written);
        if (n <= 0 && n != -EINTR)
            break;
        written += n > 0 ? (size_t)n : 0;
    }
    errno = saved;
}

const char *hcs_decimal(uint64_t value, struct hcs_decimal *buffer) {
    char *out = buffer->text + sizeof buffer->text;
    *--out = '\0';
    do
        *--out = (char)('0' + value % 10);
    while (value /= 10);
    return out;
}

const char *hcs_error_name(int negative_errno, struct hcs_decimal *buffer) {
    switch (-negative_errno) {
    case ENOENT:
        return "no such file";
    case EACCES:
    case EPERM:
        return "permission denied";
    case ENOSPC:
        return "no space left";
    case ENOMEM:
        return "out of memory";
    case EMFILE:
    case ENFILE:
        return "too many open files";
    case ELOOP:
        return "it is a symbolic link";
    default:
        break;
    }
    const char *number = hcs_decimal((uint64_t)-negative_errno, buffer);
    char *out = (char *)(uintptr_t)number - 6;
    memcpy(out, "errno ", 6);
    return out;
}
