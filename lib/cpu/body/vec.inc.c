/* vec.inc.c: vectors of the instruction set this file is compiled for.
 *
 * A block of 16 channels is PARTS vectors of LANES numbers. ACCS is how many vectors a
 * kernel may keep in registers as sums, beside the few it multiplies. */

#if defined(__AVX512F__)
enum { VEC_BYTES = 64, ACCS = 28 };
#elif defined(__AVX2__)
enum { VEC_BYTES = 32, ACCS = 12 };
#elif defined(__aarch64__)
enum { VEC_BYTES = 16, ACCS = 24 };
#else
enum { VEC_BYTES = 16, ACCS = 12 };
#endif

enum { BLOCK = 16, LANES = VEC_BYTES / (int)sizeof(rj_real), PARTS = BLOCK / LANES };

typedef rj_real vec __attribute__((vector_size(VEC_BYTES)));
typedef rj_real vec_anywhere
    __attribute__((vector_size(VEC_BYTES), aligned(sizeof(rj_real)), may_alias));

#define ALWAYS static inline __attribute__((always_inline))

/* for i = 0 .. n - 1, unrolled completely: n is a constant once inlined. */
#if defined(__clang__)
#    define EACH(i, n) _Pragma("clang loop unroll(full)") for (int i = 0; i < (n); i++)
#else
#    define EACH(i, n) _Pragma("GCC unroll 32") for (int i = 0; i < (n); i++)
#endif

ALWAYS vec load(const rj_real *from)
{
    return *(const vec_anywhere *)from;
}

ALWAYS void store(rj_real *to, vec v)
{
    *(vec_anywhere *)to = v;
}

ALWAYS vec fill(rj_real x)
{
    return x - (vec){0}; // minus zero stays minus zero, and the compiler drops it
}

/* All bits of a lane where a comparison held. */
typedef __typeof__((vec){0} > (vec){0}) mask;

/* a where the mask holds, else b. */
ALWAYS vec where(mask m, vec a, vec b)
{
    return (vec)((m & (mask)a) | (~m & (mask)b));
}

/* The smaller and the larger of two lanes; b for both where one is no number. Compilers
 * make one instruction of these loops, and of root()'s. */
ALWAYS vec least(vec a, vec b)
{
    rj_real x[LANES], y[LANES];

    store(x, a);
    store(y, b);
    for (int k = 0; k < LANES; k++)
        x[k] = x[k] < y[k] ? x[k] : y[k];
    return load(x);
}

ALWAYS vec largest(vec a, vec b)
{
    rj_real x[LANES], y[LANES];

    store(x, a);
    store(y, b);
    for (int k = 0; k < LANES; k++)
        x[k] = x[k] > y[k] ? x[k] : y[k];
    return load(x);
}

/* Each lane rounded to bfloat16, as rj_bf16() does it. */
ALWAYS vec rounded(vec v)
{
    rj_real part[LANES];

    if (sizeof(rj_real) == sizeof(float)) {
        typedef uint32_t lanes __attribute__((vector_size(VEC_BYTES)));
        const lanes bits = (lanes)v, quiet = bits | 0x400000U;
        const lanes near = bits + 0x7fffU + (bits >> 16 & 1U);
        return where(v == v, (vec)(near & 0xffff0000U), (vec)(quiet & 0xffff0000U));
    }
    store(part, v);
    for (int k = 0; k < LANES; k++)
        part[k] = (rj_real)rj_bf16((float)part[k]);
    return load(part);
}

/* The square root of each lane. */
ALWAYS vec root(vec v)
{
    rj_real part[LANES];

    store(part, v);
    for (int k = 0; k < LANES; k++)
        part[k] = sizeof(rj_real) == sizeof(float) ? (rj_real)sqrtf((float)part[k])
                                                   : (rj_real)sqrt((double)part[k]);
    return load(part);
}
