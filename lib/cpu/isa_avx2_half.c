/* isa_avx2_half.c: those of isa_avx2.c for pictures of bfloat16. */
#define RJ_TABLE avx2_half
#define RJ_HALF
#include "cpu/body/all.inc.c"
