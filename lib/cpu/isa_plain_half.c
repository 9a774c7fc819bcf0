/* isa_plain_half.c: those of isa_plain.c for pictures of bfloat16. */
#define RJ_TABLE plain_half
#define RJ_HALF
#include "cpu/body/all.inc.c"
