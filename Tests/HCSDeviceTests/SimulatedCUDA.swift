import Foundation
import HCSTestSupport
import NativeArtifacts

/// A simulated libcuda and libcublas in one file, for the flow of a measurement: device memory is the host's, the product is
/// computed by plain loops, the time is that of the host. Beside it the simulated NVML, so that a host has the device too.
/// Its figures are the test machine's and say nothing of any card.
struct SimulatedCUDA {
    let library: MadeLibrary
    var directory: String { library.directory.path }

    /// `faults`: definitions before the source, such as `#define GEMM return 15`.
    init(_ faults: String = "") async throws {
        library = try await MadeLibrary("libcuda.so.1", faults + "\n" + Self.source)
        let manager = FileManager.default
        try manager.createSymbolicLink(atPath: "\(directory)/libcublas.so.12", withDestinationPath: "libcuda.so.1")
        try manager.createSymbolicLink(
            atPath: "\(directory)/libnvidia-ml.so.1",
            withDestinationPath: "\(NativeArtifacts.simulatedLibraries)/libnvidia-ml.so.1")
    }

    private static let source = """
        #include <math.h>
        #include <stdint.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <time.h>
        #include <unistd.h>
        #ifndef FREE
        #define FREE (1ull << 34)
        #endif
        #ifndef CAPABILITY
        #define CAPABILITY 90
        #endif
        #ifndef VERSION
        #define VERSION 12040
        #endif
        #ifndef DEVICES
        #define DEVICES 1
        #endif
        #ifndef INIT
        #define INIT
        #endif
        #ifndef GEMM
        #define GEMM
        #endif
        static double seconds(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
        int cuInit(unsigned f) { INIT; return 0; }
        int cuDriverGetVersion(int *v) { *v = VERSION; return 0; }
        #ifndef NO_ERROR_TEXT
        int cuGetErrorName(int e, const char **s) { *s = e == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : e == 100 ? "CUDA_ERROR_NO_DEVICE" : NULL; return *s ? 0 : 1; }
        int cuGetErrorString(int e, const char **s) { *s = e == 2 ? "out of memory" : e == 100 ? "no CUDA-capable device is detected" : NULL; return *s ? 0 : 1; }
        #endif
        int cuDeviceGetCount(int *n) { *n = DEVICES; return 0; }
        int cuDeviceGet(int *d, int i) { *d = i; return 0; }
        /* What CUDA_VISIBLE_DEVICES names, as the driver does. */
        int cuDeviceGetUuid_v2(uint8_t *u, int d) {
            const char *s = getenv("CUDA_VISIBLE_DEVICES");
            int n = 0;
            memset(u, 0, 16);
            for (s = s && strchr(s, '-') ? strchr(s, '-') + 1 : ""; *s && n < 32; s++) {
                if (*s == '-') continue;
                int v = *s <= '9' ? *s - '0' : (*s | 32) - 'a' + 10;
                u[n / 2] |= n % 2 ? v : v << 4;
                n++;
            }
        #ifdef OTHER_DEVICE
            u[3] ^= 1;
        #endif
            return 0;
        }
        int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? CAPABILITY / 10 : a == 76 ? CAPABILITY % 10 : 0; return 0; }
        int cuDevicePrimaryCtxRetain(void **c, int d) { *c = (void *)1; return 0; }
        int cuDevicePrimaryCtxRelease_v2(int d) { return 0; }
        int cuCtxSetCurrent(void *c) { return 0; }
        int cuMemGetInfo_v2(size_t *f, size_t *t) { *f = FREE; *t = 1ull << 35; return 0; }
        int cuMemAlloc_v2(uint64_t *p, size_t n) {
        #ifdef ALLOC_FAILS
            return 2;
        #endif
            *p = (uint64_t)malloc(n);
            return 0;
        }
        int cuMemFree_v2(uint64_t p) { free((void *)p); return 0; }
        int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t n) { memcpy((void *)to, from, n); return 0; }
        int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t n) { memcpy(to, (void *)from, n); return 0; }
        int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t n, void *s) { memcpy((void *)to, (void *)from, n); return 0; }
        int cuStreamCreate(void **s, unsigned f) { *s = (void *)2; return 0; }
        int cuStreamDestroy_v2(void *s) { return 0; }
        #ifndef NO_SYNCHRONIZE
        int cuStreamSynchronize(void *s) { return 0; }
        #endif
        int cuEventCreate(void **e, unsigned f) { *e = calloc(1, sizeof(double)); return 0; }
        int cuEventDestroy_v2(void *e) { free(e); return 0; }
        int cuEventRecord(void *e, void *s) { *(double *)e = seconds(); return 0; }
        int cuEventSynchronize(void *e) { return 0; }
        int cuEventElapsedTime(float *ms, void *a, void *b) {
            *ms = (float)((*(double *)b - *(double *)a) * 1000);
        #ifdef ELAPSED
            *ms = ELAPSED;
        #endif
            return 0;
        }

        int cublasCreate_v2(void **h) {
        #ifdef CREATE_FAILS
            return CREATE_FAILS;
        #endif
            *h = (void *)3;
            return 0;
        }
        int cublasDestroy_v2(void *h) { return 0; }
        int cublasGetVersion_v2(void *h, int *v) { *v = 120304; return 0; }
        int cublasSetStream_v2(void *h, void *s) { return 0; }
        static double half(uint16_t h) {
            int e = h >> 10 & 31, m = h & 1023;
            double v = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
            return h >> 15 ? -v : v;
        }
        static double load(const void *p, int type, size_t i) {
            union { uint32_t u; float f; } b;
            switch (type) {
            case 0: return ((const float *)p)[i];
            case 1: return ((const double *)p)[i];
            case 2: return half(((const uint16_t *)p)[i]);
            case 3: return ((const int8_t *)p)[i];
            default: b.u = (uint32_t)((const uint16_t *)p)[i] << 16; return b.f;
            }
        }
        static void store(void *p, int type, size_t i, double v) {
            union { uint32_t u; float f; } b = {.f = (float)v};
            switch (type) {
            case 0: ((float *)p)[i] = v; break;
            case 1: ((double *)p)[i] = v; break;
            case 2: { /* round to eleven bits */
                int e; double m = frexp(fabs(v), &e);
                uint16_t h = v == 0 ? 0 : (uint16_t)((e + 14) << 10) + (uint16_t)(lrint(m * 2048) - 1024);
                ((uint16_t *)p)[i] = h | (v < 0) << 15; break; }
            case 10: ((int32_t *)p)[i] = lrint(v); break;
            default: ((uint16_t *)p)[i] = (b.u + 0x8000) >> 16;
            }
        }
        int cublasGemmEx(void *h, int ta, int tb, int m, int n, int k, const void *one, const void *a, int at, int lda,
                         const void *b, int bt, int ldb, const void *zero, void *c, int ct, int ldc, int compute, int algorithm) {
            int scale = compute == 72 ? *(const int32_t *)one == 1 && *(const int32_t *)zero == 0
                        : compute == 70 ? *(const double *)one == 1 && *(const double *)zero == 0
                                        : *(const float *)one == 1 && *(const float *)zero == 0;
            if (h != (void *)3 || ta != 1 || tb != 0 || m != n || n != k || lda != k || ldb != k || ldc != m || !scale || algorithm != -1)
                return 7;
            GEMM;
            for (int j = 0; j < n; j++) {
                for (int i = 0; i < m; i++) {
                    double sum = 0;
                    for (int l = 0; l < k; l++) sum += load(a, at, (size_t)i * lda + l) * load(b, bt, (size_t)j * ldb + l);
                    store(c, ct, (size_t)j * ldc + i, sum);
                }
            }
            return 0;
        }
        """
}
