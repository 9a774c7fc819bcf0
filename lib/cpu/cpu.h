/* cpu.h: the fast kernels of the cpu, one table per instruction set and precision.
 *
 * Every kernel of device/kernels.def marked `fast` or `rows` is written once, in body/,
 * with the vector types of gcc and clang. The files isa_*.c compile those bodies for one
 * instruction set each, and for one kind of picture: of rj_real, or of bfloat16, which
 * RJ_BF16 asks for; isa.c picks a pair of tables when a device is opened. */
#ifndef RJ_CPU_H
#define RJ_CPU_H

#include "device/device.h"

/* The same functions as in struct rj_kernels, only those that are fast. Of tables for
 * pictures of bfloat16 the ones marked `rows` are NULL: they know no pictures. */
typedef struct rj_fast {
#define RJ_FAST_fast(name, args) rij_status(*name) args;
#define RJ_FAST_rows(name, args) rij_status(*name) args;
#define RJ_FAST_ref(name, args)
#define RJ_KERNEL(name, cpu, args) RJ_FAST_##cpu(name, args)
#include "device/kernels.def"
#undef RJ_KERNEL
} rj_fast;

typedef struct rj_isa {
    const char *name;
    const rj_fast *numbers, *halves; /* by what pictures hold */
} rj_isa;

extern const rj_fast rj_fast_plain, rj_fast_plain_half, rj_fast_avx2, rj_fast_avx2_half,
    rj_fast_avx512, rj_fast_avx512_half, rj_fast_avx512_pairs;

#endif
