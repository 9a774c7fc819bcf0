/* cubinfo.h: machine code of CUDA kernels, judged without a GPU. cubinfo reads cubins
 * (cubin_read.c), decodes them (sass.c, sass_loop.c), joins them with a log of launches
 * (launch_log.c), estimates what bounds each launch (roofline.c), prints that
 * (cubinfo_table.c) and holds it against assertions (assertions.c). It uses nothing of
 * the library. */
#ifndef RJ_CUBINFO_H
#define RJ_CUBINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { CUBINFO_FAILED = 1, CUBINFO_USAGE = 2 }; /* exit statuses */

/* Memory that grows; prints and exits where there is none. */
void *cubinfo_grow(void *block, size_t count, size_t size);

/* ---- sass.c: instructions -----------------------------------------------------------
 */

enum { SASS_OPCODES = 512, SASS_WIDTHS = 8, SASS_BYTES = 16 };

typedef struct sass_inst {
    uint64_t lo, hi;
} sass_inst;

/* What a stretch of code consists of. A warp's work, not a thread's. */
typedef struct sass_mix {
    unsigned count[SASS_OPCODES][SASS_WIDTHS]; /* by opcode and coded width */
    unsigned insts, nops, other; /* all; those that do nothing; those not in sass.def */
    unsigned stall;              /* cycles a lone warp waits between them, at least */
    double mma;                  /* tensor work in multiply-adds of bf16 */
    double mmas;                 /* HMMA and HGMMA */
    double fp32;                 /* FFMA, FADD, FMUL */
    double wavefronts;           /* of shared memory, no two lanes at one address */
    double sectors;              /* of 32 bytes read from global memory, all lanes on */
} sass_mix;

sass_inst sass_get(const uint8_t *code, size_t i);
const char *sass_name(const sass_inst *in); /* "?" where unknown */
int sass_width(const sass_inst *in);        /* bits an access moves; 0: not an access */
bool sass_always(const sass_inst *in);      /* no predicate guards it */
/* Index of the instruction a branch, call or BSSY names, or -1. */
long sass_target(const sass_inst *in, long at, int arch);
double sass_math(const sass_inst *in); /* multiply-adds per lane, about */
void sass_add(sass_mix *mix, const sass_inst *in);
/* Instructions called `name`: LDG, LDG128, FFMA. False: no such name. */
bool sass_count(const sass_mix *mix, const char *name, double *count);

/* ---- cubin_read.c, sass_loop.c: kernels ----------------------------------------------
 */

enum { KERNEL_NAME = 192 };

typedef struct kernel {
    char name[KERNEL_NAME];           /* in short: conv_gather_kernel<float,128,128> */
    char mangled[KERNEL_NAME];        /* cut off where longer */
    int arch, registers, max_threads; /* max_threads 0: no launch bounds */
    unsigned shared, stack;           /* bytes: static shared; frame */
    sass_mix all, loop;               /* loop: of one round of the hottest, or zero */
    long loop_first, loop_last;       /* instructions; -1: no loop */
} kernel;

typedef struct kernels {
    kernel *k;
    size_t n;
} kernels;

/* Add a cubin's kernels. On failure prints why, naming the file, and adds none. list:
 * print each instruction (kernel, address, mnemonic, width, target), tab-separated. */
bool cubin_read(const char *path, bool list, kernels *all);
void sass_hottest_loop(const uint8_t *code, size_t n, kernel *k);

/* ---- cubin_name.c --------------------------------------------------------------------
 */

/* What c++filt says of a mangled name, in short; the mangled name without c++filt. */
void cubin_short_name(const char *mangled, char *name, size_t size);
/* The same shortening, for names from elsewhere: spaces, casts, suffixes of numbers,
 * outer parentheses go. */
void cubin_shorten(const char *said, char *name, size_t size);
/* Whether a log's name may mean this kernel: equal but for spellings of types. */
bool cubin_same(const char *logged, const char *name);

/* ---- launch_log.c --------------------------------------------------------------------
 */

/* One line: a kernel and a launch shape. Counts are totals over `launches`. */
typedef struct launch {
    char name[KERNEL_NAME];
    int arch; /* whose kernels made it; 0: any */
    double grid_blocks, block_threads, dyn_smem, static_smem, launches;
    double read_sectors, write_sectors, unique_read_sectors, unique_write_sectors;
    double shared_wavefronts, mma_tf32, mma_bf16, cp_async_bytes;
} launch;

typedef struct launches {
    launch *l;
    size_t n;
} launches;

/* Add a log's launches, of architecture `arch` or, if 0, any. Counts become those of one
 * launch, times `scale`, as does the grid. */
bool launch_log_read(const char *path, int arch, double scale, launches *all);

/* ---- roofline.c ----------------------------------------------------------------------
 */

/* A card, and the SM its architecture has. Rates per second, sizes in bytes. */
typedef struct card {
    int arch;
    const char *name, *suffix;
    double sms, clock, fp32, tf32, bf16, mma_share, l2, l2_bytes, dram;
    int warps, blocks, registers, shared, reserved; /* of an SM; reserved: per block */
} card;

/* NULL: no card of this architecture in the table. */
const card *card_of(int arch);

typedef struct occupancy {
    int blocks;        /* per SM; 0: does not fit */
    double share;      /* percent of the SM's warps */
    const char *limit; /* what allows no more blocks */
} occupancy;

occupancy card_occupancy(const card *c, const kernel *k, int threads, double shared);

enum bound {
    BOUND_TENSOR,
    BOUND_FP32,
    BOUND_SHARED,
    BOUND_L2,
    BOUND_DRAM,
    BOUND_ISSUE,
    BOUND_LATENCY,
    BOUNDS
};
extern const char *const bound_names[BOUNDS];

/* Cycles a warp's round of the hottest loop takes on one of the SM's four partitions,
 * were the pipe its own; shared memory serves all four. */
typedef struct loop_cycles {
    double issue, fp32, tensor, shared, most, share; /* arithmetic, percent of most */
    const char *bound;
} loop_cycles;

loop_cycles card_loop(const card *c, const kernel *k);

typedef struct roof {
    double t[BOUNDS]; /* seconds of one launch, were that all; waves and idle SMs count */
    double time, waves, quantisation, trips;
    const char *trips_by; /* what the number of rounds was read from */
    enum bound bound;
    double roof, peak; /* shares of the roof mma.sync reaches; of the data sheet's */
} roof;

/* A kernel on its card, launched or not. */
typedef struct row {
    const kernel *k;
    const launch *l; /* NULL: not in the log, or no log */
    const card *c;   /* NULL: not in the table; then nothing below is known */
    int threads;
    double shared; /* static and dynamic */
    occupancy occ;
    loop_cycles cycles;
    roof roof;
} row;

roof card_roof(const row *r);

/* ---- cubinfo_table.c ------------------------------------------------------------------
 */

typedef struct rows {
    row *r;
    size_t n;
} rows;

enum column { COLUMN_NONE, COLUMN_KERNEL, COLUMN_BLOCK, COLUMN_LAUNCH };

/* A number of the row by its column's name, with or without _a100 or _h100. Says on what
 * it depends: the kernel; the launch's block; the launch. NONE: there is no such column.
 */
enum column row_value(const row *r, const char *name, double *value);
void print_tables(const rows *all, FILE *out);
void print_tsv(const rows *all, FILE *out);

/* ---- assertions.c ---------------------------------------------------------------------
 */

/* Hold the rows against a file; what fails is printed. Returns the number of failures. */
int assertions_check(const char *path, const rows *all, bool logged, FILE *out);

#endif
