/* cpu.h: the fast kernels of the cpu, one table per instruction set.
 *
 * Every kernel of device/kernels.def marked `fast` is written once, in body/, with the
 * vector types of gcc and clang. The files isa_*.c compile those bodies for one
 * instruction set each; isa.c picks a table when a device is opened. */
#ifndef RJ_CPU_H
#define RJ_CPU_H

#include "device/device.h"

/* The same functions as in struct rj_kernels, only those that are fast. */
typedef struct rj_isa {
    const char *name;
#define RJ_ISA_FIELD_fast(name, args) rij_status(*name) args;
#define RJ_ISA_FIELD_ref(name, args)
#define RJ_KERNEL(name, cpu, args) RJ_ISA_FIELD_##cpu(name, args)
#include "device/kernels.def"
#undef RJ_KERNEL
} rj_isa;

extern const rj_isa rj_isa_plain, rj_isa_avx2, rj_isa_avx512, rj_isa_avx512bf16;

#endif
