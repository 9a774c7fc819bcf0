/* gpu.h: what the plugin keeps for one device; its own C files only. */
#ifndef RJ_GPU_H
#define RJ_GPU_H

#include "backend.h"

enum { RJ_EXECS = 4, RJ_HALVES = 2 };

/* A piece of page-locked host memory that uploads pass through. */
typedef struct rj_stage {
    unsigned char *bytes;
    size_t size, used;
    cudaEvent_t passed; /* what was sent from it has arrived */
} rj_stage;

/* Kernels are not launched one by one: they are captured, and launched as one graph when
 * their results are asked for (capture.c). */
typedef struct rj_capture {
    bool wanted, open;
    size_t asked; /* times the stream was asked for since it was opened */
    struct {
        cudaGraphExec_t exec;
        size_t asked;
    } kept[RJ_EXECS]; /* of graphs before, to be brought up to date */
    int next;         /* of them to make room */
} rj_capture;

typedef struct rj_gpu {
    int index, multiprocessors, most_shared;
    cudaStream_t stream;
    rj_capture capture;
    rj_stage half[RJ_HALVES]; /* of large uploads, by turns, and of downloads */
    int turn;
    rij_status lost; /* a failure of enqueued work where nobody could be told */
    rj_stage small;  /* of uploads that are part of a graph */
    void *workspace; /* device memory for kernels: rj_workspace() */
    size_t workspace_bytes;
    unsigned *words;          /* rj_words() */
    struct rj_vendor *vendor; /* cuBLAS and cuDNN; NULL: none is wanted */
} rj_gpu;

static inline rj_gpu *rj_gpu_of(const rj_device *dev)
{
    return (rj_gpu *)dev->own;
}

/* The text of a failure goes to the library's rij_last_error(). */
extern rij_status (*rj_core_fail)(rij_status status, const char *format, ...);

/* RIJ_OK if the index-th GPU can be used, else RIJ_E_DEVICE and why in a sentence. */
rij_status rj_probe(int index);
/* Whether the current device's architecture is built in; probe_kernel.cu. */
cudaError_t rj_architecture_error(void);

/* Launch what was captured, if anything was. */
rij_status rj_capture_launch(rj_device *dev);
/* The stream for a copy or a kernel that may become part of a graph. */
cudaStream_t rj_capture_stream(rj_device *dev);
void rj_capture_close(rj_gpu *gpu);

/* Memory and copies; transfer.c. Their contracts are those of struct rj_remote. */
rij_status rj_transfer_open(rj_gpu *gpu);
void rj_transfer_close(rj_gpu *gpu);
rij_status rj_gpu_take(rj_device *dev, size_t bytes, void **memory);
void rj_gpu_give(rj_device *dev, void *memory);
rij_status rj_gpu_upload(rj_device *dev, void *to, const void *host, size_t bytes);
rij_status rj_gpu_zero(rj_device *dev, void *to, size_t bytes);
rij_status rj_gpu_download(rj_device *dev, void *host, const void *from, size_t bytes);
rij_status rj_gpu_wait(rj_device *dev);

#endif
