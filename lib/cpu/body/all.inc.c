/* all.inc.c: the bodies, and the table they make. RJ_ISA names it. */
#include "cpu/cpu.h"
#include <math.h>
#include <string.h>
#if defined(__AVX512F__)
#    include <immintrin.h>
#endif

#include "cpu/body/vec.inc.c"
#include "cpu/body/turn.inc.c"
#include "cpu/body/tile.inc.c"
#include "cpu/body/plan.inc.c"
#include "cpu/body/winograd.inc.c"
#include "cpu/body/conv.inc.c"
#include "cpu/body/pointwise.inc.c"
#include "cpu/body/channel.inc.c"
#include "cpu/body/norm.inc.c"
#include "cpu/body/winograd_grad_w.inc.c"
#include "cpu/body/conv_grad_w.inc.c"
#include "cpu/body/linear.inc.c"
#include "cpu/body/pool.inc.c"
#include "cpu/body/resample.inc.c"
#include "cpu/body/residual.inc.c"
#include "cpu/body/loss.inc.c"

/* RJ_ISA, expanded before it is glued or quoted. */
#define NAMED(isa) rj_isa_##isa
#define TABLE(isa) NAMED(isa)
#define QUOTED(isa) #isa
#define TEXT(isa) QUOTED(isa)

#define RJ_ENTRY_fast(name) .name = name,
#define RJ_ENTRY_ref(name)
const rj_isa TABLE(RJ_ISA) = {
    .name = TEXT(RJ_ISA),
#define RJ_KERNEL(name, cpu, args) RJ_ENTRY_##cpu(name)
#include "device/kernels.def"
#undef RJ_KERNEL
};
