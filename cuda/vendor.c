/* vendor.c: opens cuBLAS and cuDNN, and says why not.
 *
 * They are hundreds of megabytes that take seconds to load, so a process that does not
 * want them never touches them. A library that was opened stays open: NVIDIA's keep
 * threads and state of their own. */
#include "vendor.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef union symbol { /* ISO C has no cast from one to the other */
    void *object;
    void (*call)(void);
} symbol;

/* dlopen's handle: of the file the variable names, or of the first name that is there. */
static void *open_any(const char *variable, const char *const *names, char why[RJ_WHY])
{
    const char *path = getenv(variable);
    void *handle = NULL;

    if (path && *path) {
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle)
            snprintf(why, RJ_WHY, "%s: %.200s", variable, dlerror());
        return handle;
    }
    for (int i = 0; names[i] && !handle; i++) {
        handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (!handle && i == 0) // of the newest
            snprintf(why, RJ_WHY, "%.200s", dlerror());
    }
    return handle;
}

/* False: the library has not all of them. */
static bool find(void *handle, const char *name, void (**call)(void), char why[RJ_WHY])
{
    symbol s;

    s.object = dlsym(handle, name);
    *call = s.call;
    if (!s.object)
        snprintf(why, RJ_WHY, "it has no %s", name);
    return s.object;
}

#define RJ_FIND(result, name, args)                                                      \
    found = found && find(handle, #name, (void (**)(void)) & calls->name, why);

bool rj_cublas_open(rj_cublas *calls, char why[RJ_WHY])
{
    // the interface used here is the same in all three; cublasLt comes with it
    static const char *const names[] = {"libcublas.so.13", "libcublas.so.12",
                                        "libcublas.so.11", NULL};
    void *handle = open_any("RIJ_CUDA_BLAS", names, why);
    bool found = handle;

#define RJ_CUBLAS RJ_FIND
#include "vendor.def"
#undef RJ_CUBLAS
    return found;
}

bool rj_cudnn_open(rj_cudnn *calls, char why[RJ_WHY])
{
    static const char *const names[] = {"libcudnn.so.9", NULL};
    void *handle = open_any("RIJ_CUDA_DNN", names, why);
    bool found = handle;

#define RJ_CUDNN RJ_FIND
#include "vendor.def"
#undef RJ_CUDNN
    return found;
}
