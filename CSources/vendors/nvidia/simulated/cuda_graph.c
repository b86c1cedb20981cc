/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcuda.so.1: streams, and graphs with nothing in them but memory nodes. A node has its address from the
 * moment it is added; memory comes at each launch out of the device's graph pool, which keeps it until it is trimmed.
 */
#include "cuda_private.h"

#include <pthread.h>
#include <stdlib.h>

#define NODES 256

struct node {
    bool frees;
    int ordinal;
    size_t bytes;
    CUdeviceptr pointer;
};
struct graph {
    unsigned count;
    struct node nodes[NODES];
};
struct graph_exec {
    bool auto_free;
    struct graph graph;
};
struct stream {
    struct graph *capture;
    struct stream *next; /* in the list of those that are captured */
    const void *thread;
    int mode;
    bool broken;
};

/* Captures, and what each thread may do meanwhile: 0 nothing unsafe while anybody captures globally or it captures itself,
 * 1 nothing unsafe while it captures itself, 2 anything. */
static pthread_mutex_t captures_lock = PTHREAD_MUTEX_INITIALIZER;
static struct stream *captures;
static _Thread_local int thread_mode;

API cuThreadExchangeStreamCaptureMode(int *mode) {
    if (mode == NULL || *mode < 0 || *mode > 2)
        return CUDA_ERROR_INVALID_VALUE;
    int before = thread_mode;
    thread_mode = *mode;
    *mode = before;
    return CUDA_SUCCESS;
}

CUresult cuda_unsafe(void) {
    CUresult result = CUDA_SUCCESS;
    pthread_mutex_lock(&captures_lock);
    for (struct stream *s = captures; s != NULL && thread_mode != 2; s = s->next) {
        if (s->mode == 2 || (s->thread != &thread_mode && (s->mode != 0 || thread_mode != 0)))
            continue;
        s->broken = true;
        result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    pthread_mutex_unlock(&captures_lock);
    return result;
}

static void end_capture(CUstream stream) {
    pthread_mutex_lock(&captures_lock);
    for (struct stream **link = &captures; *link != NULL; link = &(*link)->next) {
        if (*link == stream) {
            *link = stream->next;
            break;
        }
    }
    pthread_mutex_unlock(&captures_lock);
    stream->capture = NULL;
}

static bool is_own_stream(CUstream stream) {
    return (uintptr_t)stream > 2; /* 0 the default one, 1 the legacy one, 2 the thread's own */
}

struct graph *cuda_capture_of(CUstream stream) {
    return is_own_stream(stream) ? stream->capture : NULL;
}

/* Streams */

API cuStreamCreate(CUstream *stream, unsigned flags) {
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (stream == NULL || flags > 1)
        return CUDA_ERROR_INVALID_VALUE;
    *stream = calloc(1, sizeof **stream);
    return *stream != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

API cuStreamDestroy_v2(CUstream stream) {
    if (!is_own_stream(stream))
        return CUDA_ERROR_INVALID_HANDLE;
    free(stream->capture);
    end_capture(stream);
    free(stream);
    return CUDA_SUCCESS;
}

API cuStreamSynchronize(CUstream stream) {
    CUresult result = cuda_in_context();
    if (result == CUDA_SUCCESS && cuda_capture_of(stream) != NULL)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (result == CUDA_SUCCESS)
        hcs_sim_pool_synchronise();
    return result;
}
API cuStreamSynchronize_ptsz(CUstream stream) {
    return cuStreamSynchronize(stream);
}

API cuStreamBeginCapture_v2(CUstream stream, int mode) {
    if (!is_own_stream(stream) || stream->capture != NULL || mode < 0 || mode > 2)
        return CUDA_ERROR_INVALID_VALUE;
    stream->capture = calloc(1, sizeof *stream->capture);
    if (stream->capture == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    stream->thread = &thread_mode;
    stream->mode = mode;
    stream->broken = false;
    pthread_mutex_lock(&captures_lock);
    stream->next = captures;
    captures = stream;
    pthread_mutex_unlock(&captures_lock);
    return CUDA_SUCCESS;
}
API cuStreamBeginCapture_v2_ptsz(CUstream stream, int mode) {
    return cuStreamBeginCapture_v2(stream, mode);
}

API cuStreamEndCapture(CUstream stream, struct graph **graph) {
    if (!is_own_stream(stream) || stream->capture == NULL || graph == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *graph = stream->broken ? NULL : stream->capture;
    if (stream->broken)
        free(stream->capture);
    end_capture(stream);
    return stream->broken ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
}
API cuStreamEndCapture_ptsz(CUstream stream, struct graph **graph) {
    return cuStreamEndCapture(stream, graph);
}

API cuStreamIsCapturing(CUstream stream, int *capturing) {
    if (capturing == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *capturing = cuda_capture_of(stream) != NULL;
    return CUDA_SUCCESS;
}
API cuStreamIsCapturing_ptsz(CUstream stream, int *capturing) {
    return cuStreamIsCapturing(stream, capturing);
}

/* Graphs */

static CUresult add(struct graph *graph, struct node node, void **ret) {
    if (graph == NULL || graph->count == NODES)
        return CUDA_ERROR_INVALID_VALUE;
    graph->nodes[graph->count] = node;
    if (ret != NULL)
        *ret = &graph->nodes[graph->count];
    graph->count++;
    return CUDA_SUCCESS;
}

static CUresult add_allocation(struct graph *graph, int ordinal, size_t bytes, CUdeviceptr *pointer, void **ret) {
    struct hcs_sim_view view;
    void *address = NULL;
    if (bytes == 0 || !hcs_sim_runtime_device(ordinal, &view))
        return CUDA_ERROR_INVALID_VALUE;
    size_t pages;
    if (__builtin_add_overflow(bytes, 4095, &pages))
        return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult result = cuda_translate(hcs_sim_address_reserve(pages / 4096 * 4096, NULL, &address));
    if (result == CUDA_SUCCESS)
        result = add(graph, (struct node){false, ordinal, bytes, (uintptr_t)address}, ret);
    if (result == CUDA_SUCCESS)
        *pointer = (uintptr_t)address;
    return result;
}

CUresult cuda_graph_allocate(struct graph *graph, int ordinal, size_t bytes, CUdeviceptr *ret) {
    return add_allocation(graph, ordinal, bytes, ret, NULL);
}

CUresult cuda_graph_free(struct graph *graph, CUdeviceptr pointer) {
    return add(graph, (struct node){.frees = true, .pointer = pointer}, NULL);
}

API cuGraphCreate(struct graph **graph, unsigned flags) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (graph == NULL || flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    *graph = calloc(1, sizeof **graph);
    return *graph != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

API cuGraphDestroy(struct graph *graph) {
    if (graph == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    free(graph);
    return CUDA_SUCCESS;
}

API cuGraphAddMemAllocNode(void **node, struct graph *graph, void *const *after, size_t after_count,
                           struct node_parameters *parameters) {
    (void)after, (void)after_count;
    hcs_sim_count_call();
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (node == NULL || parameters == NULL || parameters->pool.location.type != 1)
        return CUDA_ERROR_INVALID_VALUE;
    return add_allocation(graph, parameters->pool.location.id, parameters->bytes, &parameters->pointer, node);
}

API cuGraphAddMemFreeNode(void **node, struct graph *graph, void *const *after, size_t after_count,
                          CUdeviceptr pointer) {
    (void)after, (void)after_count;
    hcs_sim_count_call();
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (node == NULL || pointer == 0)
        return CUDA_ERROR_INVALID_VALUE;
    return add(graph, (struct node){.frees = true, .pointer = pointer}, node);
}

static CUresult instantiate(struct graph_exec **exec, const struct graph *graph, uint64_t flags) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (exec == NULL || graph == NULL || flags > 15)
        return CUDA_ERROR_INVALID_VALUE;
    struct graph_exec *made = malloc(sizeof *made);
    if (made == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *made = (struct graph_exec){(flags & 1) != 0, *graph};
    *exec = made;
    return CUDA_SUCCESS;
}

API cuGraphInstantiateWithFlags(struct graph_exec **exec, struct graph *graph, uint64_t flags) {
    return instantiate(exec, graph, flags);
}

API cuGraphInstantiate_v2(struct graph_exec **exec, struct graph *graph, void **node, char *log, size_t length) {
    (void)node, (void)log, (void)length;
    return instantiate(exec, graph, 0);
}

API cuGraphInstantiate(struct graph_exec **exec, struct graph *graph, void **node, char *log, size_t length) {
    (void)node, (void)log, (void)length;
    return instantiate(exec, graph, 0);
}

/* CUDA_GRAPH_INSTANTIATE_PARAMS begins with its flags. */
API cuGraphInstantiateWithParams(struct graph_exec **exec, struct graph *graph, const uint64_t *parameters) {
    return parameters == NULL ? CUDA_ERROR_INVALID_VALUE : instantiate(exec, graph, *parameters);
}
API cuGraphInstantiateWithParams_ptsz(struct graph_exec **exec, struct graph *graph, const uint64_t *parameters) {
    return parameters == NULL ? CUDA_ERROR_INVALID_VALUE : instantiate(exec, graph, *parameters);
}

API cuGraphExecDestroy(struct graph_exec *exec) {
    if (exec == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    free(exec);
    return CUDA_SUCCESS;
}

/* What an earlier launch gave and nobody freed: an error, unless the graph frees it itself. */
static CUresult clear(const struct graph_exec *exec) {
    struct hcs_sim_block block;
    for (unsigned i = 0; i < exec->graph.count; i++) {
        const struct node *node = &exec->graph.nodes[i];
        if (node->frees || !hcs_sim_block_of(HCS_SIM_POOLED, address_of(node->pointer), &block) ||
            block.address != address_of(node->pointer))
            continue;
        if (!exec->auto_free)
            return CUDA_ERROR_INVALID_VALUE;
        hcs_sim_release(HCS_SIM_POOLED, address_of(node->pointer));
    }
    return CUDA_SUCCESS;
}

static CUresult run(const struct node *node) {
    void *ignored;
    if (node->frees)
        return cuda_translate(hcs_sim_release(HCS_SIM_POINTERS, address_of(node->pointer)));
    return cuda_translate(
        hcs_sim_pool_allocate(hcs_sim_pool_of_graphs(node->ordinal), node->bytes, address_of(node->pointer), &ignored));
}

static CUresult launch(const struct graph_exec *exec, CUstream stream) {
    CUresult result = cuda_in_context();
    hcs_sim_count_call();
    if (result != CUDA_SUCCESS)
        return result;
    if (exec == NULL || cuda_capture_of(stream) != NULL)
        return CUDA_ERROR_INVALID_VALUE;
    result = clear(exec);
    for (unsigned i = 0; i < exec->graph.count && result == CUDA_SUCCESS; i++) {
        result = run(&exec->graph.nodes[i]);
        for (unsigned k = i; result != CUDA_SUCCESS && k-- > 0;) {
            if (!exec->graph.nodes[k].frees)
                hcs_sim_release(HCS_SIM_POOLED, address_of(exec->graph.nodes[k].pointer));
        }
    }
    return result;
}

API cuGraphLaunch(struct graph_exec *exec, CUstream stream) {
    return launch(exec, stream);
}
API cuGraphLaunch_ptsz(struct graph_exec *exec, CUstream stream) {
    return launch(exec, stream);
}

API cuDeviceGraphMemTrim(CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, "", &view);
    return result == CUDA_SUCCESS ? cuda_translate(hcs_sim_pool_trim(hcs_sim_pool_of_graphs(device), 0)) : result;
}

/* CUgraphMem_attribute: 0 used, 1 its mark, 2 reserved, 3 its mark. */
static const enum hcs_sim_pool_figure figures[] = {HCS_SIM_POOL_USED, HCS_SIM_POOL_USED_HIGH, HCS_SIM_POOL_RESERVED,
                                                   HCS_SIM_POOL_RESERVED_HIGH};

API cuDeviceGetGraphMemAttribute(CUdevice device, int attribute, void *value) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, value, &view);
    if (result != CUDA_SUCCESS)
        return result;
    if (attribute < 0 || attribute > 3)
        return CUDA_ERROR_INVALID_VALUE;
    return cuda_translate(hcs_sim_pool_get(hcs_sim_pool_of_graphs(device), figures[attribute], value));
}

API cuDeviceSetGraphMemAttribute(CUdevice device, int attribute, void *value) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, value, &view);
    if (result != CUDA_SUCCESS)
        return result;
    if (attribute != 1 && attribute != 3)
        return CUDA_ERROR_INVALID_VALUE;
    return cuda_translate(hcs_sim_pool_set(hcs_sim_pool_of_graphs(device), figures[attribute], *(uint64_t *)value));
}
