/* SPDX-License-Identifier: Apache-2.0
 *
 * IPC handles: 64 opaque bytes that name a block to another process. The other one gets an address and pays nothing.
 */
#include "hcs_sim_library.h"

#include <string.h>
#include <unistd.h>

#define TICKET_MAGIC 0x314B54535F534348ull /* "HCS_STK1" */

enum { MAGIC, PID, ADDRESS, BYTES, ORDINAL };

enum hcs_sim_result hcs_sim_ticket_make(const void *pointer, struct hcs_sim_ticket *ret) {
    struct hcs_sim_block block;
    if (!hcs_sim_block_of(HCS_SIM_LINEAR, pointer, &block))
        return HCS_SIM_INVALID;
    memset(ret, 0, sizeof *ret);
    ret->words[MAGIC] = TICKET_MAGIC;
    ret->words[PID] = (uint64_t)getpid();
    ret->words[ADDRESS] = (uint64_t)(uintptr_t)block.address;
    ret->words[BYTES] = block.bytes;
    ret->words[ORDINAL] = (uint64_t)block.ordinal;
    return HCS_SIM_OK;
}

/* A process cannot open its own handle. */
enum hcs_sim_result hcs_sim_ticket_open(const struct hcs_sim_ticket *ticket, void **ret) {
    if (ticket->words[MAGIC] != TICKET_MAGIC || ticket->words[PID] == (uint64_t)getpid())
        return HCS_SIM_INVALID;
    return hcs_sim_alias(HCS_SIM_SHARED, (int)ticket->words[ORDINAL], ticket->words[BYTES], ret);
}
