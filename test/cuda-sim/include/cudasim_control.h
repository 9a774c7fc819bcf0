/* What tests may ask of the simulator and read from it; not part of CUDA.
 *
 * Settings come from the environment the first time anything asks for them, because the
 * simulator usually lives in a plugin that a program opens; a test linked to it may
 * change them afterwards through cudasim_settings():
 *
 *   CUDASIM_ORDER=ascending|descending|random   which thread and block runs first
 *   CUDASIM_SEED=n                              of the random orders
 *   CUDASIM_STREAMS=eager|late|random           when queued work is done
 *   CUDASIM_PREEMPT=n       checked build: another thread's turn at 1 of n accesses
 *   CUDASIM_FAIL_ALLOC=n    the n-th allocation, counted from 1, fails
 *   CUDASIM_NO_DEVICE=1     a driver, but no device
 *   CUDASIM_OLD_DRIVER=v    a driver of version v (1: 12.2), older than the runtime; 0:
 *                           none
 *   CUDASIM_ARCH=75|80|86|89|90                 the device, 80 unless told
 *   CUDASIM_MULTIPROCESSORS=n                   of the device, as many as it has unless
 * told CUDASIM_SAMPLE=n        run only n blocks of each grid, for the log; results and
 *                           reads of what nobody wrote mean nothing then
 *   CUDASIM_LOG=file        checked build: what was launched and moved, a line a kernel
 *   CUDASIM_QUIET=1         errors are kept for cudasim_last_error() and not printed */
#ifndef CUDASIM_CONTROL_H
#define CUDASIM_CONTROL_H

#ifdef __cplusplus
extern "C" {
#endif

enum cudasim_order { CUDASIM_ASCENDING, CUDASIM_DESCENDING, CUDASIM_RANDOM };
enum cudasim_streams { CUDASIM_EAGER, CUDASIM_LATE, CUDASIM_SOMETIMES };

struct cudasim_config {
    enum cudasim_order order;
    unsigned seed;
    enum cudasim_streams streams;
    int lax_barrier; /* exited threads do not count at a barrier, lines may differ */
    int preempt;     /* 0: never */
    int profile;     /* count what moves, for the log */
    int quiet;
    int no_device;
    int driver;          /* version as cudaDriverGetVersion gives it */
    int arch;            /* compute capability, times 10 */
    int multiprocessors; /* 0: those of such a card */
    int sample;          /* blocks of a grid; 0: all */
};

struct cudasim_stats {
    unsigned long long launches, blocks, threads, switches, barriers, warp_operations;
    unsigned long long accesses; /* looked at by the checker */
    unsigned long long errors;   /* reported since the last cudasim_reset() */
};

/* Borrowed, valid for ever. */
struct cudasim_config *cudasim_settings(void);
const struct cudasim_stats *cudasim_statistics(void);

/* "kind: kernel NAME: what", of the first error since cudasim_reset(); "" if none. */
const char *cudasim_last_error(void);

/* How many different errors of this kind, such as "race", were reported since then. */
int cudasim_errors_of_kind(const char *kind);

/* Forget all errors, also those after which CUDA would refuse all work. */
void cudasim_reset(void);

/* The n-th allocation from now, counted from 1, fails; 0: none does. */
void cudasim_fail_alloc(long n);

/* Write the log to a file; the end of the program writes it to CUDASIM_LOG. Returns 0, or
 * -1 if the file cannot be written. */
int cudasim_write_log(const char *path);

/* 1 if kernels are built for the checker. */
int cudasim_checked(void);

#ifdef __cplusplus
}
#endif
#endif
