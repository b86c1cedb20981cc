/* SPDX-License-Identifier: Apache-2.0
 * libbpf (packages libbpf-dev, libelf-dev, zlib1g-dev), 1.1 or later. Only the shim in CSources/probe uses it.
 */
#ifndef HCS_LIBBPF_H
#define HCS_LIBBPF_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#endif
