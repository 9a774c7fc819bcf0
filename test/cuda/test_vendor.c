/* test_vendor.c: a library that cannot be had is said in a sentence and is no more than
 * that; one that is there is found whole. No device is needed. */
#include "vendor.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rij_status (*rj_core_fail)(rij_status status, const char *format, ...) = rj_fail;

static int failed;

static void check(bool good, const char *what, const char *why)
{
    if (good)
        return;
    fprintf(stderr, "test_vendor: %s; it said '%s'\n", what, why);
    failed++;
}

static void absent(const char *variable, const char *path, bool (*open)(char why[RJ_WHY]),
                   const char *words)
{
    char why[RJ_WHY] = "";

    setenv(variable, path, 1);
    check(!open(why), "what is not there was opened", path);
    check(strstr(why, words) != NULL, "the sentence does not say it", why);
    unsetenv(variable);
}

static bool open_cublas(char why[RJ_WHY])
{
    rj_cublas calls;

    return rj_cublas_open(&calls, why);
}

static bool open_cudnn(char why[RJ_WHY])
{
    rj_cudnn calls;

    return rj_cudnn_open(&calls, why);
}

/* Here or not, it is said which. */
static void by_name(const char *name, bool (*open)(char why[RJ_WHY]))
{
    char why[RJ_WHY] = "";
    const bool there = open(why);

    check(there || why[0], "no sentence", why);
    printf("%s: %s\n", name, there ? "found" : why);
}

int main(void)
{
    absent("RIJ_CUDA_BLAS", "/nonexistent", open_cublas, "/nonexistent");
    absent("RIJ_CUDA_BLAS", "/nonexistent", open_cublas, "RIJ_CUDA_BLAS");
    absent("RIJ_CUDA_DNN", "/nonexistent", open_cudnn, "/nonexistent");
    absent("RIJ_CUDA_BLAS", "libm.so.6", open_cublas, "it has no cublasCreate_v2");
    absent("RIJ_CUDA_DNN", "libm.so.6", open_cudnn, "it has no cudnnCreate");
    by_name("cublas", open_cublas);
    by_name("cudnn", open_cudnn);
    return failed != 0;
}
