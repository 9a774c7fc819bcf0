/* isa_avx512bf16.c: the kernels for processors with AVX-512 that also multiply pairs of
 * bfloat16. The Makefile gives the flags; without them, as on other processors, nothing
 * chooses this table. */
#define RJ_ISA avx512bf16
#include "cpu/body/all.inc.c"
