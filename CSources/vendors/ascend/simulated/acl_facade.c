/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libacl_rt.so of CANN 9: every public name calls its Impl name, through the exported symbol.
 */
#include "../../../simulation/hcs_sim_library.h"
#include "acl_functions.h"

#include <string.h>

/* Memory functions are counted; the rest is not asked about. */
#define X(name, parameters, arguments)                                                                                 \
    aclError name##Impl parameters;                                                                                    \
    HCS_SIM_EXPORT aclError name parameters {                                                                          \
        if (strstr(#name, "Malloc") != NULL || strstr(#name, "Free") != NULL || strstr(#name, "MemAlloc") != NULL)     \
            hcs_sim_count_call();                                                                                      \
        return name##Impl arguments;                                                                                   \
    }
ACL_FUNCTIONS(X)

const char *aclrtGetSocNameImpl(void);
HCS_SIM_EXPORT const char *aclrtGetSocName(void) {
    return aclrtGetSocNameImpl();
}
