/* SPDX-License-Identifier: Apache-2.0
 * libelf for Swift (package libelf-dev, elfutils 0.176 or later): reads the headers and tables of ELF files. */
#ifndef HCS_LIBELF_H
#define HCS_LIBELF_H

#include <gelf.h>
#include <libelf.h>
#include <sys/xattr.h>

#endif
