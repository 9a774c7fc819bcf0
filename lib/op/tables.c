/* tables.c: the const tables of kernels, made from kernels.def. A line there without its
 * function does not link: a table is complete or there is none. */
#include "device/device.h"

#define RJ_CPU_ref(name) rj_ref_##name
#define RJ_CPU_fast(name) rj_cpu_##name
#define RJ_CPU_rows(name) rj_cpu_##name

const rj_kernels rj_ref_kernels = {
    .name = "ref",
    .block = 1,
#define RJ_KERNEL(name, cpu, args) .name = rj_ref_##name,
#include "device/kernels.def"
#undef RJ_KERNEL
};

const rj_kernels rj_cpu_kernels = {
    .name = "cpu",
    .block = 16,
    .halves = true,
#define RJ_KERNEL(name, cpu, args) .name = RJ_CPU_##cpu(name),
#include "device/kernels.def"
#undef RJ_KERNEL
};
