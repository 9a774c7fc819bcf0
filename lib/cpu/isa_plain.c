/* isa_plain.c: the kernels for any processor: vectors of 16 bytes. */
#define RJ_TABLE plain
#include "cpu/body/all.inc.c"
