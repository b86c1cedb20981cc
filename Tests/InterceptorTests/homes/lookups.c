/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands before the simulated libcuda, which it is linked to, and writes what is asked of it by cuGetProcAddress,
 * its second revision and cuGetExportTable into the file LOOKUPS, one line each: what, version, code.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...) {
    static int log = -1;
    const char *path = getenv("LOOKUPS");
    if (log < 0)
        log = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    va_list list;
    va_start(list, format);
    if (log >= 0)
        vdprintf(log, format, list);
    va_end(list);
}

EXPORT int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags);
EXPORT int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status);
EXPORT int cuGetExportTable(const void **table, const void *id);

static void keep_watching(const char *name, void **function, int version) {
    if (strcmp(name, "cuGetProcAddress") == 0)
        *function = version < 12000 ? (void *)cuGetProcAddress : (void *)cuGetProcAddress_v2;
    else if (strcmp(name, "cuGetExportTable") == 0)
        *function = (void *)cuGetExportTable;
}

EXPORT int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags) {
    int (*real)(const char *, void **, int, uint64_t) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "cuGetProcAddress");
    if (!symbol)
        return 500;
    memcpy(&real, &symbol, sizeof real);
    int code = real(name, function, version, flags);
    note("%s %d %d\n", name, version, code);
    if (code == 0)
        keep_watching(name, function, version);
    return code;
}

EXPORT int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    int (*real)(const char *, void **, int, uint64_t, int *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "cuGetProcAddress_v2");
    if (!symbol)
        return 500;
    memcpy(&real, &symbol, sizeof real);
    int code = real(name, function, version, flags, status);
    note("%s %d %d\n", name, version, code);
    if (code == 0)
        keep_watching(name, function, version);
    return code;
}

EXPORT int cuGetExportTable(const void **table, const void *id) {
    int (*real)(const void **, const void *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "cuGetExportTable");
    if (!symbol)
        return 500;
    memcpy(&real, &symbol, sizeof real);
    int code = real(table, id);
    const unsigned char *b = id;
    note("table %02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x: %d\n", b[0], b[1], b[2], b[3], b[4], b[5],
         b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15], code);
    return code;
}
