/* bench_cuda.c: how fast a GPU is, through the device table only.
 *
 * Every kernel is first held against the reference device on a small batch, then timed:
 * REPEATS runs, before each of which SCRUB bytes are written so that it finds nothing in
 * the caches, between two waits; the time of as many writes alone is subtracted. Graphs
 * are off meanwhile (RIJ_CUDA_GRAPHS=0): launches then overlap with the writes, whereas a
 * capture would be the host's time. Training and prediction run as they do in use. The
 * same is done with cuBLAS and cuDNN where they can be had. */
#include "bench_cuda.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t SCRUB = (size_t)128 << 20, SCRUB_QUICK = 1 << 16;
static const struct {
    enum rj_precision precision;
    double allowed; /* difference by the largest: of sums in another order, of numbers
                       with 8 and with 11 significant bits */
} precisions[] = {{RJ_FP32, 2e-4}, {RJ_TF32, 4e-3}, {RJ_BF16, 3e-2}};
enum { PRECISIONS = RJ_COUNT(precisions), ROUNDS = 5, REPEATS = 20 };

typedef struct bench {
    bench_options o;
    rj_pool *pool;
    rj_device *ours, *libraries, *ref; /* libraries: NULL, if none serve */
    gpu_roof roof;
    size_t scrub;
    int repeats;
} bench;

/* ---- time ------------------------------------------------------------------------- */

typedef struct repetition {
    rj_device *dev;
    const gpu_bed *bed; /* NULL: only what empties the caches */
    rj_real *scrubbed;
    size_t n;
    int repeats;
} repetition;

static rij_status repeat(void *job)
{
    const repetition *r = job;

    for (int i = 0; i < r->repeats; i++) {
        RJ_TRY(rj_zero(r->dev, r->scrubbed, r->n));
        if (r->bed)
            RJ_TRY(gpu_run(r->bed));
    }
    return rj_wait(r->dev);
}

/* Seconds of one run; 0: too short to be told from nothing. */
static double seconds_of(const bench *b, rj_device *dev, const gpu_case *c)
{
    rj_arena arena = {0};
    repetition r = {dev, NULL, rj_numbers(dev, &arena, b->scrub / sizeof(rj_real)),
                    b->scrub / sizeof(rj_real), b->repeats};
    gpu_bed bed;
    double with, without;

    if (!r.scrubbed)
        bench_check(RIJ_E_MEMORY, "memory to empty the caches");
    gpu_open(dev, c, &bed);
    r.bed = &bed;
    with = bench_time(repeat, &r, ROUNDS, true).least;
    r.bed = NULL;
    without = bench_time(repeat, &r, ROUNDS, true).least;
    gpu_close(&bed);
    rj_arena_free(&arena);
    return fmax(with - without, 0) / b->repeats;
}

/* ---- results ----------------------------------------------------------------------- */

static double difference(const rj_real *x, const rj_real *y, size_t n)
{
    double most = 0, largest = 0;

    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)x[i] - (double)y[i]);

        if (!(d <= most)) // also where it is no number
            most = d;
        largest = fmax(largest, fabs((double)y[i]));
    }
    return largest > 0 ? most / largest : most;
}

static rj_real *result_on(rj_device *dev, const gpu_case *c, size_t *n)
{
    rj_real *x;
    gpu_bed bed;

    gpu_open(dev, c, &bed);
    if (bed.back)
        bench_check(gpu_run(&bed), c->kernel);
    x = gpu_result(&bed, n);
    gpu_close(&bed);
    return x;
}

/* Exits unless the device gives what the reference gave. */
static double judged(rj_device *dev, const gpu_case *c, int precision, const rj_real *y)
{
    const double allowed = precisions[precision].allowed;
    double error;
    rj_real *x;
    size_t n;

    dev->precision = precisions[precision].precision;
    x = result_on(dev, c, &n);
    error = difference(x, y, n);
    rj_free(x);
    if (error <= allowed)
        return error;
    fprintf(stderr, "bench: %s %s: wrong by %.2g of the largest, %.2g is allowed\n",
            c->kernel, c->shape, error, allowed);
    exit(BENCH_FAILED);
}

/* A number, or - if there is none. */
static void cell(const char *format, double value)
{
    if (value > 0)
        printf(format, value);
    else
        printf("\t-");
}

/* In bfloat16 cuDNN has no gradient of float32 weights. */
static bool served(const bench *b, const gpu_case *c, enum rj_precision precision)
{
    return b->libraries && c->libraries &&
           !(precision == RJ_BF16 && strcmp(c->kernel, "conv2d_grad_w") == 0);
}

static void line(const bench *b, const gpu_case *c, int which, double error)
{
    const enum rj_precision precision = precisions[which].precision;
    const bench_options o = {.precision = precision};
    const bool products = c->op == &rj_op_conv2d;
    const double bytes = c->cells * (precision == RJ_BF16 ? 2 : 4) + c->rest * 4;
    const double roof = gpu_roof_s(&b->roof, precision, products, c->work, bytes);
    const double t = seconds_of(b, b->ours, c);

    printf("%s\t%s\t%s", c->kernel, c->shape, bench_precision(&o));
    cell("\t%.2f", t * 1e6);
    cell("\t%.1f", t > 0 ? c->work / t / 1e9 : 0);
    cell("\t%.1f", t > 0 ? bytes / t / 1e9 : 0);
    cell("\t%.0f%%", t > 0 ? 100 * roof / t : 0);
    cell("\t%.2f", served(b, c, precision) ? seconds_of(b, b->libraries, c) * 1e6 : 0);
    printf("\t%.1e\n", error);
    fflush(stdout);
}

static void kernels(const bench *b)
{
    static gpu_case small[GPU_CASES], large[GPU_CASES];
    const int side = b->o.quick ? 32 : 128;
    const int n = gpu_cases(side, 2, b->o.quick, small);

    gpu_cases(side, b->o.quick ? 2 : b->o.batch, b->o.quick, large);
    printf("\nkernel\tshape\tprecision\tus\tGFLOP/s\tGB/s\troof\tlibraries us\terror\n");
    for (int i = 0; i < n; i++) {
        size_t count;
        rj_real *y = result_on(b->ref, &small[i], &count);
        // what knows no pictures is float32 whatever the precision
        const bool pictures = large[i].cells > 0;

        for (int p = 0; p < (pictures ? PRECISIONS : 1); p++) {
            double error;

            if (precisions[p].precision == RJ_TF32 && large[i].op != &rj_op_conv2d)
                continue; // it is fp32 to them
            error = judged(b->ours, &small[i], p, y);
            if (served(b, &large[i], precisions[p].precision))
                judged(b->libraries, &small[i], p, y);
            line(b, &large[i], p, error);
        }
        rj_free(y);
    }
}

/* ---- networks ---------------------------------------------------------------------- */

static double step_s(const bench_options *o, bool learn, const char *libraries)
{
    bench_net net;
    bench_job step = learn ? bench_train_step : bench_predict_step;
    double t;

    setenv("RIJ_CUDA_LIBRARIES", libraries, 1);
    bench_net_open(o, learn, &net);
    bench_check(step(&net), learn ? "training" : "predicting");
    t = bench_time(step, &net, o->steps, true).median;
    bench_net_close(&net);
    return t;
}

static void networks(const bench *b)
{
    static const struct {
        const char *net, *front;
        int crop, batch;
    } nets[] = {{"small", "haar", 128, 128},
                {"resnet18", "raw", 128, 128},
                {"resnet50", "raw", 224, 64}};

    printf("\nwhat\tnet\tfront\tcrop\tbatch\tprecision\tms\timages/s\tlibraries ms\n");
    for (int i = 0; i < (b->o.quick ? 1 : RJ_COUNT(nets)); i++)
        for (int learn = 1; learn >= 0; learn--)
            for (int p = 0; p < PRECISIONS; p++) {
                bench_options o = b->o;
                double t;

                snprintf(o.net.encoder, sizeof o.net.encoder, "%s", nets[i].net);
                snprintf(o.net.front, sizeof o.net.front, "%s", nets[i].front);
                o.crop = o.quick ? 32 : nets[i].crop;
                o.batch = o.quick ? 2 : nets[i].batch;
                o.precision = precisions[p].precision;
                t = step_s(&o, learn, "none");
                printf("%s\t%s\t%s\t%d\t%d\t%s\t%.3f\t%.1f", learn ? "train" : "predict",
                       nets[i].net, nets[i].front, o.crop, o.batch, bench_precision(&o),
                       t * 1e3, o.batch / t);
                cell("\t%.3f",
                     b->libraries && learn ? step_s(&o, true, "cublas,cudnn") * 1e3 : 0);
                printf("\n");
                fflush(stdout);
            }
}

/* ---- the device -------------------------------------------------------------------- */

static rij_status open_with(const bench *b, const char *libraries, rj_device **dev)
{
    setenv("RIJ_CUDA_LIBRARIES", libraries, 1);
    return rj_device_open(b->o.device, b->pool, dev);
}

static void describe(const rj_device *dev, char *text, size_t size)
{
    snprintf(text, size, "%s", dev->k->name);
    if (dev->k->remote)
        dev->k->remote->describe(dev, text, size);
}

/* Opens the device twice; false: it cannot be used, which has been said. */
static bool devices(bench *b)
{
    char text[600], libraries[600];

    if (open_with(b, "none", &b->ours) != RIJ_OK) {
        printf("skipped: %s\n", rij_last_error());
        return false;
    }
    describe(b->ours, text, sizeof text);
    bench_check(open_with(b, "cublas,cudnn", &b->libraries), "libraries");
    describe(b->libraries, libraries, sizeof libraries);
    bench_check(rj_device_open("ref", b->pool, &b->ref), "device");
    b->roof = gpu_roof_of(text);
    printf("device\t%s\nlibraries\t%s\n", text,
           strlen(libraries) > strlen(text) ? libraries + strlen(text) + 2 : "none");
    // else what one of them does not serve would be our own time
    if (!strstr(libraries, "cublas serves") || !strstr(libraries, "cudnn serves")) {
        rj_device_close(b->libraries);
        b->libraries = NULL;
    }
    if (strncmp(text, "simulated", 9) == 0)
        printf("note\ttimes of a simulated device say nothing about a GPU\n");
    if (b->roof.name)
        printf("roof\t%s\tfp32 %.1f\ttf32 %.1f\tbf16 %.1f TFLOP/s\t%.0f GB/s\n",
               b->roof.name, b->roof.fp32 / 1e12, b->roof.tf32 / 1e12,
               b->roof.bf16 / 1e12, b->roof.memory / 1e9);
    else
        printf("roof\tunknown\n");
    return true;
}

int main(int argc, char **argv)
{
    const char *graphs = getenv("RIJ_CUDA_GRAPHS");
    bench b = {.o = {.batch = 32, .steps = 20, .device = "cuda:0"}};
    bool there;

    bench_parse(argc, argv, "bench_cuda: kernels, training and prediction on a GPU",
                &b.o);
    b.scrub = b.o.quick ? SCRUB_QUICK : SCRUB;
    b.repeats = b.o.quick ? 1 : REPEATS;
    b.o.steps = b.o.quick ? 1 : b.o.steps;
    bench_check(rj_pool_new(b.o.threads, &b.pool), "threads");
    setenv("RIJ_CUDA_GRAPHS", "0", 1);
    there = devices(&b);
    if (there) {
        kernels(&b);
        if (graphs)
            setenv("RIJ_CUDA_GRAPHS", graphs, 1);
        else
            unsetenv("RIJ_CUDA_GRAPHS");
        networks(&b);
    }
    rj_device_close(b.ours);
    rj_device_close(b.libraries);
    rj_device_close(b.ref);
    rj_pool_free(b.pool);
    return 0;
}
