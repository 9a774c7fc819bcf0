/* libraries.c: which of NVIDIA's libraries serve a device, as RIJ_CUDA_LIBRARIES says. */
#include "vendor.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words of the list, as bits. */
static rij_status asked(const char *list, unsigned *libraries)
{
    static const char *const known[] = {"cublas", "cudnn", "none"};

    *libraries = 0;
    while (*list) {
        const size_t n = strcspn(list, ",");
        int i = 0;

        while (i < RJ_COUNT(known) &&
               (strlen(known[i]) != n || strncmp(list, known[i], n) != 0))
            i++;
        if (i == RJ_COUNT(known))
            return rj_core_fail(RIJ_E_DEVICE,
                                "RIJ_CUDA_LIBRARIES: there is no library \"%.*s\"; known "
                                "are cublas and cudnn, and none",
                                (int)RJ_MIN(n, (size_t)40), list);
        if (i < 2)
            *libraries |= 1U << i;
        list += n + (list[n] == ',');
    }
    return RIJ_OK;
}

rij_status rj_vendor_open(rj_device *dev)
{
    const char *list = getenv("RIJ_CUDA_LIBRARIES");
    rj_gpu *gpu = rj_gpu_of(dev);
    unsigned libraries;
    rj_vendor *v;

    RJ_TRY(asked(list ? list : "", &libraries));
    if (!libraries)
        return RIJ_OK;
    v = gpu->vendor = calloc(1, sizeof *v);
    if (!v)
        return rj_core_fail(RIJ_E_MEMORY, "no memory for libraries");
    if (libraries & 1)
        v->blas = rj_blas_open(dev, v->why[0]);
    if (libraries & 2)
        v->dnn = rj_dnn_open(dev, v->why[1]);
    return RIJ_OK;
}

void rj_vendor_close(rj_device *dev)
{
    rj_gpu *gpu = rj_gpu_of(dev);
    rj_vendor *v = gpu->vendor;

    if (!v)
        return;
    rj_blas_close(v->blas);
    rj_dnn_close(v->dnn);
    free(v);
    gpu->vendor = NULL;
}

void rj_vendor_about(const rj_device *dev, char *text, size_t size)
{
    static const char *const names[] = {"cublas", "cudnn"};
    const rj_vendor *v = rj_gpu_of(dev)->vendor;
    size_t n = 0;

    if (size)
        text[0] = '\0';
    for (int i = 0; v && i < 2; i++)
        if (v->why[i][0] && n < size)
            n += (size_t)snprintf(
                text + n, size - n, "%s%s %s: %s", n ? "; " : "", names[i],
                (i ? (void *)v->dnn : (void *)v->blas) ? "serves" : "is not used",
                v->why[i]);
}
