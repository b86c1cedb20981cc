/* SPDX-License-Identifier: Apache-2.0
 *
 * One kernel of the matrix product for each vector unit: c[ROWS][COLUMNS vectors] = a x b, all of it in registers. a is
 * packed in panels of ROWS, b in panels of COLUMNS vectors; c is a row-major matrix.
 */
#ifndef HCS_KERNEL_H
#define HCS_KERNEL_H

#include <stddef.h>

#define HCS_UNROLL _Pragma("clang loop unroll(full)")

#define HCS_KERNEL(name, scalar, bytes, ROWS, COLUMNS, ...)                                                            \
    __VA_ARGS__ __attribute__((noinline)) static void name(const void *left, const void *right, void *out,             \
                                                           size_t depth, size_t stride) {                              \
        typedef scalar vector __attribute__((vector_size(bytes), aligned(sizeof(scalar)), may_alias));                 \
        enum { LANES = (bytes) / sizeof(scalar) };                                                                     \
        const scalar *a = left, *b = right;                                                                            \
        scalar *c = out;                                                                                               \
        vector sum[ROWS][COLUMNS];                                                                                     \
        HCS_UNROLL for (int i = 0; i < (ROWS); i++) {                                                                  \
            HCS_UNROLL for (int j = 0; j < (COLUMNS); j++) sum[i][j] = (vector){0};                                    \
        }                                                                                                              \
        for (size_t k = 0; k < depth; k++, a += (ROWS), b += (COLUMNS) * LANES) {                                      \
            vector row[COLUMNS];                                                                                       \
            HCS_UNROLL for (int j = 0; j < (COLUMNS); j++) row[j] = *(const vector *)(b + j * LANES);                  \
            HCS_UNROLL for (int i = 0; i < (ROWS); i++) {                                                              \
                HCS_UNROLL for (int j = 0; j < (COLUMNS); j++) sum[i][j] += a[i] * row[j];                             \
            }                                                                                                          \
        }                                                                                                              \
        HCS_UNROLL for (int i = 0; i < (ROWS); i++) {                                                                  \
            HCS_UNROLL for (int j = 0; j < (COLUMNS); j++) *(vector *)(c + (size_t)i * stride + j * LANES) = sum[i][j]; \
        }                                                                                                              \
    }

#if defined(__x86_64__)
/* 32, 16 and 16 registers; the last has no fused multiply-add. */
HCS_KERNEL(avx512_float, float, 64, 12, 2, __attribute__((target("avx512f"))))
HCS_KERNEL(avx512_double, double, 64, 12, 2, __attribute__((target("avx512f"))))
HCS_KERNEL(avx2_float, float, 32, 6, 2, __attribute__((target("avx2,fma"))))
HCS_KERNEL(avx2_double, double, 32, 6, 2, __attribute__((target("avx2,fma"))))
HCS_KERNEL(base_float, float, 16, 4, 2, )
HCS_KERNEL(base_double, double, 16, 4, 2, )
#define HCS_BASE "sse2"
#define HCS_BASE_ROWS 4
#define HCS_BASE_COLUMNS 2
#elif defined(__aarch64__)
HCS_KERNEL(base_float, float, 16, 8, 3, )
HCS_KERNEL(base_double, double, 16, 8, 3, )
#define HCS_BASE "neon"
#define HCS_BASE_ROWS 8
#define HCS_BASE_COLUMNS 3
#else
/* Whatever the compiler makes of vectors of 16 bytes. */
HCS_KERNEL(base_float, float, 16, 4, 1, )
HCS_KERNEL(base_double, double, 16, 4, 1, )
#define HCS_BASE "generic"
#define HCS_BASE_ROWS 4
#define HCS_BASE_COLUMNS 1
#endif

#endif
