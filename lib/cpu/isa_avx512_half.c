/* isa_avx512_half.c: those of isa_avx512.c for pictures of bfloat16. */
#define RJ_TABLE avx512_half
#define RJ_HALF
#include "cpu/body/all.inc.c"
