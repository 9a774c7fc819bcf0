/* capture.c: many launches become one.
 *
 * A step of training is hundreds of small kernels, each of which costs the host some
 * microseconds to launch. So what is enqueued is captured, not run, until somebody asks
 * for a result; then it is launched as one graph. The next step's graph is the same but
 * for numbers such as the learning rate: the graph that was made executable before is
 * brought up to date, which is much cheaper than making a new one. A few are kept, by
 * how much was asked of them, since a step may fall into several graphs. */
#include "gpu.h"

cudaStream_t rj_capture_stream(rj_device *dev)
{
    rj_gpu *gpu = rj_gpu_of(dev);
    rj_capture *c = &gpu->capture;

    cudaSetDevice(gpu->index); // of the calling thread
    if (c->wanted && !c->open) {
        c->open = cudaStreamBeginCapture(gpu->stream, cudaStreamCaptureModeRelaxed) ==
                  cudaSuccess;
        if (!c->open)
            cudaGetLastError(); // then kernels are launched one by one
        c->asked = 0;
    }
    c->asked++;
    return gpu->stream;
}

/* An executable form of the graph: one kept before, brought up to date, or a new one in
 * the place of the oldest. */
static rij_status executable(rj_capture *c, cudaGraph_t graph, cudaGraphExec_t *exec)
{
    cudaGraphExecUpdateResultInfo why;
    int at = -1;

    for (int i = 0; i < RJ_EXECS; i++) {
        if (!c->kept[i].exec || c->kept[i].asked != c->asked)
            continue;
        *exec = c->kept[i].exec;
        if (cudaGraphExecUpdate(*exec, graph, &why) == cudaSuccess)
            return RIJ_OK;
        cudaGetLastError();
        at = i;
    }
    if (at < 0) {
        at = c->next;
        c->next = (c->next + 1) % RJ_EXECS;
    }
    if (c->kept[at].exec)
        cudaGraphExecDestroy(c->kept[at].exec);
    c->kept[at].exec = NULL;
    RJ_TRY(rj_called("cudaGraphInstantiate", cudaGraphInstantiate(exec, graph, 0)));
    c->kept[at].exec = *exec;
    c->kept[at].asked = c->asked;
    return RIJ_OK;
}

rij_status rj_capture_launch(rj_device *dev)
{
    rj_gpu *gpu = rj_gpu_of(dev);
    rj_capture *c = &gpu->capture;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec;
    rij_status status;

    cudaSetDevice(gpu->index);
    if (!c->open)
        return RIJ_OK;
    c->open = false;
    status = rj_called("cudaStreamEndCapture", cudaStreamEndCapture(gpu->stream, &graph));
    if (status == RIJ_OK)
        status = executable(c, graph, &exec);
    if (status == RIJ_OK)
        status = rj_called("cudaGraphLaunch", cudaGraphLaunch(exec, gpu->stream));
    if (graph)
        cudaGraphDestroy(graph);
    return status;
}

void rj_capture_close(rj_gpu *gpu)
{
    for (int i = 0; i < RJ_EXECS; i++)
        if (gpu->capture.kept[i].exec)
            cudaGraphExecDestroy(gpu->capture.kept[i].exec);
}
