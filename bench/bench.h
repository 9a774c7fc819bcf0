/* bench.h: what every benchmark uses: its flags, its clock, the network it times, the
 * machine's peak. A benchmark is a program like a test: it sees the library's layers. */
#ifndef RJ_BENCH_H
#define RJ_BENCH_H

#include "net/net.h"

enum { BENCH_FAILED = 1, BENCH_USAGE = 2, BENCH_UNAVAILABLE = 3 }; /* exit statuses */

/* ---- bench.c: flags, times, memory ------------------------------------------------ */

typedef struct bench_options {
    rj_net_config net;
    int crop, batch, steps, threads;
    bool profile, serve, quick, no_cache;
    enum rj_precision precision;
    const char *device;          /* NULL: cpu */
    enum rj_algorithm algorithm; /* of convolutions */
} bench_options;

/* Defaults stand in *o. Prints usage and exits on --help, on a flag that is unknown or
 * absurd, and where this build cannot do what is asked. */
void bench_parse(int argc, char **argv, const char *what, bench_options *o);

/* Print the thread's last error behind `what` and exit, unless the status is RIJ_OK. */
void bench_check(rij_status status, const char *what);

/* Sorts the times. Spread: (third quartile - first quartile) / median. */
typedef struct bench_times {
    double least, median, spread;
} bench_times;
bench_times bench_sum_up(double *seconds, int n);

/* Run a job `n` times (once before, untimed, if `warm`) and sum the times up. */
typedef rij_status (*bench_job)(void *job);
bench_times bench_time(bench_job run, void *job, int n, bool warm);

/* Seconds: the wall's, or with --cpu-time this thread's on a processor, which others on a
 * busy machine do not lengthen; then there is one thread. */
double bench_now_s(void);

double bench_peak_memory(void); /* bytes: the largest resident size of this process */

/* Answer a driver's lines on standard input until it closes: "run K" with the seconds
 * of K runs, "memory" with the peak in bytes. Says "ready PARAMETERS" first. */
void bench_serve(bench_job run, void *job, size_t parameters);

/* "fp32", "bf16" or "tf32". */
const char *bench_precision(const bench_options *o);

/* A pool and a device of this name and precision. */
void bench_device(const bench_options *o, const char *name, rj_pool **pool,
                  rj_device **dev);

/* ---- bench_net.c: encoder and classifier on random pictures ------------------------ */

typedef struct bench_net {
    rj_pool *pool;
    rj_device *dev;
    rj_params params; /* of encoder and classifier, no projection heads */
    rj_encoder encoder;
    rj_linear_layer classifier;
    rj_ready *ready; /* the encoder, where it only predicts */
    rj_tape tape;
    int batch, crop;
    float *picture, *label;
    int64_t step;
} bench_net;

/* learn: gradients are wanted; else the tape is frozen and batch norm uses its running
 * statistics. */
void bench_net_open(const bench_options *o, bool learn, bench_net *net);
void bench_net_close(bench_net *net);
/* Forward, binary cross entropy, backward, SGD with momentum. `job` is a bench_net. */
rij_status bench_train_step(void *job);
/* Logits of the batch in evaluation mode; checked to be finite. `job` is a bench_net. */
rij_status bench_predict_step(void *job);

/* ---- bench_files.c: photographs in a temporary folder ------------------------------ */

enum { BENCH_PHOTOGRAPH_W = 1600, BENCH_PHOTOGRAPH_H = 1200 };

/* In TMPDIR; made by the first call. It goes when the program ends, by exit() too, with
 * all that is in it. */
const char *bench_files_folder(void);
/* Write n JPEG files, BELOW/00.jpg and so on, into it. Returns the bytes of one. */
size_t bench_files_photographs(const char *below, int n);

/* ---- bench_peak.c ------------------------------------------------------------------ */

/* Most float operations a second, two a multiply-add, that this many threads of the pool
 * reach with the registers of `isa` (a name of lib/cpu/isa.c; avx512bf16 has those of
 * avx512): best of several. In float32, whatever the precision of the kernels. */
double bench_peak(rj_pool *pool, const char *isa, int threads);

#endif
