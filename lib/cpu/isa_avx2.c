/* isa_avx2.c: the kernels for processors with AVX2 and FMA: vectors of 32 bytes. The
 * Makefile gives the flags; without them, as on other processors, nothing chooses this
 * table. */
#define RJ_TABLE avx2
#include "cpu/body/all.inc.c"
