/* bench.c: flags, times and memory of a benchmark, and its answers to a driver. */
#include "bench.h"
#include "cpu/cpu.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static bool cpu_time; // what bench_now_s() reads

static const struct option flags[] = {{"net", required_argument, NULL, 'n'},
                                      {"front", required_argument, NULL, 'f'},
                                      {"crop", required_argument, NULL, 'c'},
                                      {"batch", required_argument, NULL, 'b'},
                                      {"steps", required_argument, NULL, 's'},
                                      {"threads", required_argument, NULL, 't'},
                                      {"precision", required_argument, NULL, 'p'},
                                      {"device", required_argument, NULL, 'd'},
                                      {"algorithm", required_argument, NULL, 'a'},
                                      {"profile", no_argument, NULL, 'P'},
                                      {"serve", no_argument, NULL, 'S'},
                                      {"quick", no_argument, NULL, 'q'},
                                      {"no-cache", no_argument, NULL, 'N'},
                                      {"cpu-time", no_argument, NULL, 'C'},
                                      {"help", no_argument, NULL, 'h'},
                                      {0}};

static void usage(const char *what, FILE *to)
{
    fprintf(to,
            "%s\n"
            "  --net NAME        small, resnet18, resnet50\n"
            "  --front NAME      raw, median, npr, haar, octaves\n"
            "  --crop N          side of a picture\n"
            "  --batch N         pictures at a time\n"
            "  --steps N         how often it is timed\n"
            "  --threads N       0: one per processor\n"
            "  --precision NAME  fp32, bf16; tf32, where a device has it\n"
            "  --device NAME     cpu, or a GPU: cuda:0\n"
            "  --algorithm NAME  of convolutions: auto, direct, winograd\n"
            "  --profile         where the time goes, by op and shape\n"
            "  --quick           fewer and smaller cases\n"
            "  --no-cache        files are decoded again for every batch\n"
            "  --cpu-time        one thread, timed by the processor's clock\n"
            "  --serve           answer a driver's lines on standard input\n"
            "A program reads the flags that mean something to it.\n",
            what);
}

static int number(const char *text, int least, int most, const char *flag)
{
    char *end;
    const long value = strtol(text, &end, 10);

    if (*end || end == text || value < least || value > most) {
        fprintf(stderr, "bench: --%s %s is not in %d..%d\n", flag, text, least, most);
        exit(BENCH_USAGE);
    }
    return (int)value;
}

static enum rj_precision precision(const char *text)
{
    enum rj_precision p;

    if (rj_precision_named(text, &p) != RIJ_OK) {
        fprintf(stderr, "bench: %s\n", rij_last_error());
        exit(BENCH_USAGE);
    }
    return p;
}

const char *bench_precision(const bench_options *o)
{
    static const char *const names[] = {
        [RJ_FP32] = "fp32", [RJ_BF16] = "bf16", [RJ_TF32] = "tf32"};

    return names[o->precision];
}

static enum rj_algorithm algorithm(const char *text)
{
    static const char *const names[] = {
        [RJ_AUTO] = "auto", [RJ_DIRECT] = "direct", [RJ_WINOGRAD] = "winograd"};

    for (int i = 0; i < RJ_COUNT(names); i++)
        if (strcmp(text, names[i]) == 0)
            return (enum rj_algorithm)i;
    fprintf(stderr, "bench: --algorithm %s is not auto, direct or winograd\n", text);
    exit(BENCH_USAGE);
}

static void take(bench_options *o, int flag, const char *what)
{
    switch (flag) {
    case 'n':
        snprintf(o->net.encoder, sizeof o->net.encoder, "%s", optarg);
        break;
    case 'f':
        snprintf(o->net.front, sizeof o->net.front, "%s", optarg);
        break;
    case 'c':
        o->crop = number(optarg, 32, 1024, "crop");
        break;
    case 'b':
        o->batch = number(optarg, 1, 1024, "batch");
        break;
    case 's':
        o->steps = number(optarg, 1, 100000, "steps");
        break;
    case 't':
        o->threads = number(optarg, 0, RJ_MAX_THREADS, "threads");
        break;
    case 'p':
        o->precision = precision(optarg);
        break;
    case 'd':
        o->device = optarg;
        break;
    case 'a':
        o->algorithm = algorithm(optarg);
        break;
    case 'P':
        o->profile = true;
        break;
    case 'S':
        o->serve = true;
        break;
    case 'q':
        o->quick = true;
        break;
    case 'N':
        o->no_cache = true;
        break;
    case 'C':
        cpu_time = true;
        break;
    default:
        usage(what, flag == 'h' ? stdout : stderr);
        exit(flag == 'h' ? 0 : BENCH_USAGE);
    }
}

void bench_parse(int argc, char **argv, const char *what, bench_options *o)
{
    int flag;

    o->net.embedding = 128;
    while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1)
        take(o, flag, what);
    if (cpu_time)
        o->threads = 1;
    if (optind < argc) {
        fprintf(stderr, "bench: what is '%s'? There is --help.\n", argv[optind]);
        exit(BENCH_USAGE);
    }
    if (sizeof(rj_real) != sizeof(float)) {
        fprintf(stderr, "bench: benchmarks are for float; this is a REAL=double build\n");
        exit(BENCH_UNAVAILABLE);
    }
}

void bench_check(rij_status status, const char *what)
{
    if (status == RIJ_OK)
        return;
    fprintf(stderr, "bench: %s: %s: %s\n", what, rij_status_name(status),
            rij_last_error());
    exit(BENCH_FAILED);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

bench_times bench_sum_up(double *seconds, int n)
{
    bench_times t;

    qsort(seconds, (size_t)n, sizeof *seconds, by_size);
    t.least = seconds[0];
    t.median = (seconds[n / 2] + seconds[(n - 1) / 2]) / 2;
    t.spread = (seconds[(3 * n) / 4] - seconds[n / 4]) / t.median;
    return t;
}

bench_times bench_time(bench_job run, void *job, int n, bool warm)
{
    double *seconds = rj_alloc((size_t)n, sizeof *seconds);
    bench_times t;

    if (!seconds)
        bench_check(rj_fail(RIJ_E_MEMORY, "no memory for %d times", n), "timing");
    if (warm)
        bench_check(run(job), "warming up");
    for (int i = 0; i < n; i++) {
        const double start = bench_now_s();
        bench_check(run(job), "timing");
        seconds[i] = bench_now_s() - start;
    }
    t = bench_sum_up(seconds, n);
    rj_free(seconds);
    return t;
}

double bench_now_s(void)
{
    struct timespec t;

    if (!cpu_time)
        return rj_now_s();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_peak_memory(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double)use.ru_maxrss * 1024;
}

void bench_serve(bench_job run, void *job, size_t parameters)
{
    char line[64];

    // two runs: the first allocates, the second has merged its arena
    bench_check(run(job), "warming up");
    bench_check(run(job), "warming up");
    printf("ready %zu\n", parameters);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        const int n = strncmp(line, "run ", 4) == 0 ? atoi(line + 4) : 0;

        if (n > 0) // the caches hold what others left there
            bench_check(run(job), "warming up");
        for (int i = 0; i < n; i++) {
            const double start = bench_now_s();
            bench_check(run(job), "timing");
            printf("%.6f ", bench_now_s() - start);
        }
        if (strncmp(line, "memory", 6) == 0)
            printf("%.0f", bench_peak_memory());
        printf("\n");
        fflush(stdout);
    }
}

void bench_device(const bench_options *o, const char *name, rj_pool **pool,
                  rj_device **dev)
{
    bench_check(rj_pool_new(o->threads, pool), "threads");
    bench_check(rj_device_open(name, *pool, dev), "device");
    (*dev)->precision = o->precision;
    (*dev)->algorithm = o->algorithm;
}
