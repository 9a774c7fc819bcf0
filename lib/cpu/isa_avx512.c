/* isa_avx512.c: the kernels for processors with AVX-512: vectors of 64 bytes. The
 * Makefile gives the flags; without them, as on other processors, nothing chooses this
 * table. */
#define RJ_TABLE avx512
#include "cpu/body/all.inc.c"
