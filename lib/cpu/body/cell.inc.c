/* cell.inc.c: how the numbers of a picture are stored, and how they are multiplied.
 *
 * A picture holds cells: rj_real or, where RJ_HALF is defined, bfloat16, which is the
 * upper half of a float, rounded to the nearest as it is stored. All sums are of rj_real.
 * Factors of convolutions are rj_real, as they are or, with HALF, rounded to bfloat16;
 * or, with PAIRS, where the processor multiplies those, two bfloat16 in the place of a
 * float: neighbours among the channels, which is just how cells lie. So the 16 channels
 * of a pixel are BUNDLE numbers for the tiles: 16, or 8 pairs. */
#if defined(RJ_HALF)
enum { HALF = 1 };
typedef uint16_t cell __attribute__((may_alias)); /* tiles read pairs of them */
#else
enum { HALF = 0 };
typedef rj_real cell;
#endif

/* Whether rj_real is float, for the preprocessor. */
#define RJ_IS_float 1
#define RJ_IS_double 0
#define RJ_IS(real) RJ_IS_##real
#define RJ_IS_SINGLE(real) RJ_IS(real)

#if defined(RJ_HALF) && defined(__AVX512BF16__) && RJ_IS_SINGLE(RJ_REAL)
#    define RJ_PAIRS
enum { PAIRS = 1 };
#else
enum { PAIRS = 0 };
#endif

enum { BUNDLE = PAIRS ? BLOCK / 2 : BLOCK };

/* One cell, from a number and back. */
ALWAYS cell cell_of(rj_real x)
{
#if defined(RJ_HALF)
    union {
        float x;
        uint32_t bits;
    } u = {rj_bf16((float)x)};

    return (cell)(u.bits >> 16);
#else
    return x;
#endif
}

ALWAYS rj_real real_of(cell x)
{
#if defined(RJ_HALF)
    union {
        uint32_t bits;
        float x;
    } u = {(uint32_t)x << 16};

    return (rj_real)u.x;
#else
    return x;
#endif
}

/* LANES numbers of a picture, and back; gcc 12 makes many instructions of the plain way
 * between vectors of 16 and of 32 bits. */
#if !defined(RJ_HALF)
ALWAYS vec load_cells(const cell *from)
{
    return load(from);
}

ALWAYS void store_cells(cell *to, vec v)
{
    store(to, v);
}
#elif defined(__AVX512F__) && RJ_IS_SINGLE(RJ_REAL)
ALWAYS vec load_cells(const cell *from)
{
    const __m256i half = _mm256_loadu_si256((const void *)from);

    return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
}

ALWAYS void store_cells(cell *to, vec v)
{
#    if defined(RJ_PAIRS)
    const __m256i half = (__m256i)_mm512_cvtneps_pbh((__m512)v);
#    else
    const __m256i half =
        _mm512_cvtepi32_epi16(_mm512_srli_epi32((__m512i)rounded(v), 16));
#    endif

    _mm256_storeu_si256((void *)to, half);
}
#elif defined(__AVX2__) && RJ_IS_SINGLE(RJ_REAL)
ALWAYS vec load_cells(const cell *from)
{
    const __m128i half = _mm_loadu_si128((const void *)from);

    return (vec)_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);
}

ALWAYS void store_cells(cell *to, vec v)
{
    const __m256i low = _mm256_srli_epi32((__m256i)rounded(v), 16);
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);

    _mm_storeu_si128((void *)to, _mm256_castsi256_si128(both));
}
#else
ALWAYS vec load_cells(const cell *from)
{
    rj_real part[LANES];

    for (int k = 0; k < LANES; k++)
        part[k] = real_of(from[k]);
    return load(part);
}

ALWAYS void store_cells(cell *to, vec v)
{
    rj_real part[LANES];

    store(part, v);
    for (int k = 0; k < LANES; k++)
        to[k] = cell_of(part[k]);
}
#endif

#if defined(RJ_PAIRS)
/* For two vectors, or two times 16 cells, a and b: a0 b0 a1 b1 .. */
static const short interleaving[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                       21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

/* The lanes of two vectors, rounded, as pairs: low in the lower half. */
ALWAYS vec paired(vec low, vec high)
{
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);

    return (vec)_mm512_permutexvar_epi16(_mm512_loadu_si512(interleaving), both);
}

/* 16 cells of each of two pixels as pairs; `high` may be NULL, for zeros. */
ALWAYS vec paired_cells(const cell *low, const cell *high)
{
    const __m256i a = _mm256_loadu_si256((const void *)low);
    const __m256i b =
        high ? _mm256_loadu_si256((const void *)high) : _mm256_setzero_si256();
    const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);

    return (vec)_mm512_permutexvar_epi16(_mm512_loadu_si512(interleaving), both);
}

/* sum + w.low x.low + w.high x.high in each lane; x is one pair. */
ALWAYS vec add_products(vec sum, vec w, rj_real x)
{
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)w,
                                 (__m512bh)_mm512_set1_ps((float)x));
}

/* The same for a pair that is used once: out of memory, where it need not be spread by an
 * instruction of its own. Compilers do not do that by themselves. */
ALWAYS vec add_product(vec sum, vec w, const rj_real *x)
{
    __asm__("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*x));
    return sum;
}
#else
/* Nothing asks for the first two. */
ALWAYS vec paired(vec low, vec high)
{
    return low + high;
}

ALWAYS vec paired_cells(const cell *low, const cell *high)
{
    return load_cells(low) + load_cells(high);
}

ALWAYS vec add_products(vec sum, vec w, rj_real x)
{
    return sum + w * x;
}

ALWAYS vec add_product(vec sum, vec w, const rj_real *x)
{
    return sum + w * *x;
}
#endif

/* A factor, where it is one number. */
ALWAYS vec as_factor(vec v)
{
    return HALF ? rounded(v) : v;
}
