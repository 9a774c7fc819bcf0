/* test_dnn_deviceless.c: cuDNN makes a plan for every convolution of the networks, in all
 * directions and precisions, on each device that a file describes; no device is needed.
 * Exit status 77 and a sentence: cuDNN is not here, or knows no such descriptions. */
#include "dnn.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rij_status (*rj_core_fail)(rij_status status, const char *format, ...) = rj_fail;

enum { SKIPPED = 77, SIDE = 128, BATCH = 32 };

typedef struct shape {
    const char *net;
    int c, k, r, stride, pad, divisor;
} shape;

static const shape shapes[] = {
#define SHAPE(net, c, k, r, stride, pad, divisor) {#net, c, k, r, stride, pad, divisor},
#include "bench_shapes.def"
#undef SHAPE
};
static const char *const kinds[] = {"forward", "by data", "by weights"};
static const char *const precisions[] = {"fp32", "bf16", "tf32"};

/* The text of a file, without blanks at its end; NULL: it cannot be read. */
static char *text_of(const char *path)
{
    static char text[8192];
    FILE *file = fopen(path, "r");
    size_t n;

    if (!file)
        return NULL;
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    while (n && strchr(" \n", text[n - 1]))
        n--;
    text[n] = '\0';
    return text;
}

static rj_dnn_want want_of(const shape *s, enum rj_dnn_kind kind,
                           enum rj_precision precision)
{
    const int h = SIDE / s->divisor, p = (h + 2 * s->pad - s->r) / s->stride + 1;

    return (rj_dnn_want){{BATCH, s->c, h, h, s->k, s->r, s->r, s->stride, s->pad, p, p},
                         kind,
                         precision,
                         false};
}

/* 1: there is no plan. */
static int try(const rj_cudnn *calls, const char *device, const shape *s,
               enum rj_dnn_kind kind, enum rj_precision precision, size_t *most)
{
    const rj_dnn_want want = want_of(s, kind, precision);
    rj_dnn_plan *plan = NULL;
    rj_dnn_facts facts;

    if (rj_dnn_plan_create(calls, &want, NULL, device, &plan) != RIJ_OK) {
        fprintf(stderr, "%s %d>%d %dx%d/%d %s %s: %s\n", s->net, s->c, s->k, s->r, s->r,
                s->stride, kinds[kind], precisions[precision], rij_last_error());
        return 1;
    }
    facts = rj_dnn_plan_facts(plan);
    *most = RJ_MAX(*most, facts.workspace);
    rj_dnn_plan_free(plan);
    return facts.engine < 0 || facts.offered < 1;
}

/* What cannot be convolved so, or is no device, is refused in words. */
static int refused(const rj_cudnn *calls, const char *device)
{
    rj_dnn_want want = want_of(&shapes[1], RJ_DNN_FORWARD, RJ_BF16);
    rj_dnn_plan *plan = NULL;
    int failed =
        rj_dnn_plan_create(calls, &want, NULL, "no description", &plan) != RIJ_E_DEVICE;

    want.d.p++;
    failed |= rj_dnn_plan_create(calls, &want, NULL, device, &plan) != RIJ_E_DEVICE ||
              !strstr(rij_last_error(), "an operation") || plan;
    if (failed)
        fprintf(stderr, "what is wrong was taken, or: %s\n", rij_last_error());
    return failed;
}

static int on(const rj_cudnn *calls, const char *path)
{
    const char *device = text_of(path);
    const rj_dnn_want first = want_of(&shapes[1], RJ_DNN_FORWARD, RJ_FP32);
    rj_dnn_plan *plan = NULL;
    int failed = 0, plans = 0;
    size_t most = 0;

    if (!device) {
        fprintf(stderr, "%s cannot be read\n", path);
        return 1;
    }
    if (rj_dnn_plan_create(calls, &first, NULL, device, &plan) != RIJ_OK &&
        strstr(rij_last_error(), "description")) {
        printf("skipped: %s: %s\n", path, rij_last_error());
        return SKIPPED;
    }
    rj_dnn_plan_free(plan);
    for (int p = RJ_FP32; p <= RJ_TF32; p++)
        for (int i = 0; i < RJ_COUNT(shapes); i++)
            for (int k = RJ_DNN_FORWARD; k <= RJ_DNN_BY_WEIGHTS; k++, plans++)
                failed += try(calls, device, &shapes[i], (enum rj_dnn_kind)k,
                              (enum rj_precision)p, &most);
    failed += refused(calls, device);
    printf("cudnn %zu on %s: %d plans, %d failed, at most %.1f MB of scratch\n",
           calls->cudnnGetVersion(), path, plans, failed, (double)most / 1e6);
    return failed != 0;
}

int main(int n, char **paths)
{
    char why[RJ_WHY] = "";
    rj_cudnn calls;
    int status = 0;

    if (!rj_cudnn_open(&calls, why)) {
        printf("skipped: cudnn: %s\n", why);
        return SKIPPED;
    }
    for (int i = 1; i < n; i++) {
        const int s = on(&calls, paths[i]);
        status = s == 1 || status == 1 ? 1 : RJ_MAX(status, s);
    }
    return status;
}
