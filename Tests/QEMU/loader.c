/* SPDX-License-Identifier: Apache-2.0
 *
 * In the guest: loads the BPF objects that the agent embeds and prints what they tell, a line for each event:
 *   hcs-event NAME HEX      NAME is the object's file name without its ends
 *   hcs-probe NAME attached | hcs-probe NAME failed: WHY
 *   hcs-probe NAME loaded   one that is attached to a function of a vendor's library, which the guest has not
 *   hcs-ready               everything that this kernel has is attached
 * Usage: loader OBJECT...
 */
#define _GNU_SOURCE 1
#include "hcs_probe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAXIMUM_OBJECTS 32

static char log_text[8192];

static void print_event(void *context, const void *data, size_t size) {
    const unsigned char *bytes = data;
    printf("hcs-event %s ", (const char *)context);
    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

/* "/bpf/pcie_error.bpf.o" -> "pcie_error" */
static char *probe_name(const char *path) {
    const char *base = strrchr(path, '/');
    char *name = strdup(base == NULL ? path : base + 1);
    if (name != NULL)
        name[strcspn(name, ".")] = 0;
    return name;
}

static int open_probe(const char *path, char *name, struct hcs_probe **ret_probe) {
    static char object[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t size;
    int r;

    if (file == NULL)
        return -errno;
    size = fread(object, 1, sizeof(object), file);
    (void)fclose(file);
    r = hcs_probe_load(object, size, print_event, name, log_text, sizeof(log_text), ret_probe);
    return r < 0 ? r : hcs_probe_attach(*ret_probe, log_text, sizeof(log_text));
}

int main(int count, char **paths) {
    struct hcs_probe *probes[MAXIMUM_OBJECTS];
    struct pollfd waiting[MAXIMUM_OBJECTS];
    int open = 0;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < count && open < MAXIMUM_OBJECTS; i++) {
        char *name = probe_name(paths[i]);
        int r = name == NULL ? -ENOMEM : open_probe(paths[i], name, &probes[open]);
        if (r == -EOPNOTSUPP) {
            printf("hcs-probe %s loaded\n", name);
            continue;
        }
        if (r < 0) {
            printf("hcs-probe %s failed: %s %s\n", name, strerror(-r), log_text);
            continue;
        }
        printf("hcs-probe %s attached\n", name);
        waiting[open] = (struct pollfd){.fd = hcs_probe_fd(probes[open]), .events = POLLIN};
        open++;
    }
    printf("hcs-ready\n");
    for (;;) {
        if (poll(waiting, (nfds_t)open, -1) < 0 && errno != EINTR)
            return 1;
        for (int i = 0; i < open; i++)
            (void)hcs_probe_consume(probes[i]);
    }
}
