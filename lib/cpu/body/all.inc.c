/* all.inc.c: the bodies, and the table they make. RJ_TABLE names it; RJ_HALF is defined
 * if pictures hold bfloat16. */
#include "cpu/cpu.h"
#include <math.h>
#include <string.h>
#if defined(__AVX2__)
#    include <immintrin.h>
#endif

#include "cpu/body/vec.inc.c"
#include "cpu/body/cell.inc.c"
#include "cpu/body/turn.inc.c"
#include "cpu/body/tile.inc.c"
#include "cpu/body/plan.inc.c"
#include "cpu/body/winograd.inc.c"
#include "cpu/body/conv.inc.c"
#include "cpu/body/pointwise.inc.c"
#include "cpu/body/channel.inc.c"
#include "cpu/body/pool.inc.c"
#include "cpu/body/norm.inc.c"
#include "cpu/body/norm_pool.inc.c"
#include "cpu/body/winograd_grad_w.inc.c"
#include "cpu/body/conv_grad_w.inc.c"
#include "cpu/body/resample.inc.c"
#include "cpu/body/residual.inc.c"
#include "cpu/body/residual_planar.inc.c"
#include "cpu/body/residual_octaves.inc.c"
#include "cpu/body/residual_kernels.inc.c"
#include "cpu/body/absdiff.inc.c"
#if !defined(RJ_HALF)
#    include "cpu/body/linear.inc.c"
#    include "cpu/body/contrast.inc.c"
#    include "cpu/body/optimisers.inc.c"
#    include "cpu/body/statistics.inc.c"
#    define RJ_ENTRY_rows(name) .name = name,
#else
#    define RJ_ENTRY_rows(name)
#endif
#define RJ_ENTRY_fast(name) .name = name,
#define RJ_ENTRY_ref(name)

/* RJ_TABLE, expanded before it is glued. */
#define NAMED(table) rj_fast_##table
#define TABLE(table) NAMED(table)
const rj_fast TABLE(RJ_TABLE) = {
#define RJ_KERNEL(name, cpu, args) RJ_ENTRY_##cpu(name)
#include "device/kernels.def"
#undef RJ_KERNEL
};
