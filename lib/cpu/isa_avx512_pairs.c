/* isa_avx512_pairs.c: those of isa_avx512.c for pictures of bfloat16, on processors that
 * multiply pairs of such numbers. The Makefile gives the flags. */
#define RJ_TABLE avx512_pairs
#define RJ_HALF
#include "cpu/body/all.inc.c"
