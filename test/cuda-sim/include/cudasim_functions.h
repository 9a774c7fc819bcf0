/* Device functions of CUDA: loads, atomics, arithmetic, bits and bfloat16. Functions that
 * CUDA approximates are exact here. Included by cudasim.h. */
#ifndef CUDASIM_FUNCTIONS_H
#define CUDASIM_FUNCTIONS_H

template <class T> static inline T __ldg(const T *p)
{
    return *p;
}
template <class T> static inline T __ldcs(const T *p)
{
    return *p;
}
template <class T> static inline T __ldcg(const T *p)
{
    return *p;
}
template <class T> static inline void __stcs(T *p, T v)
{
    *p = v;
}

#define CS_ATOMIC(name, T, result)                                                       \
    static inline T name(T *p, T v)                                                      \
    {                                                                                    \
        return cudasim::atomic(p, [v](T old) CS_UNCHECKED -> T { return result; });      \
    }
CS_ATOMIC(atomicAdd, int, (int)((unsigned)old + (unsigned)v))
CS_ATOMIC(atomicAdd, unsigned, old + v)
CS_ATOMIC(atomicAdd, unsigned long long, old + v)
CS_ATOMIC(atomicAdd, float, old + v)
CS_ATOMIC(atomicAdd, double, old + v)
CS_ATOMIC(atomicMax, int, old > v ? old : v)
CS_ATOMIC(atomicMax, unsigned, old > v ? old : v)
CS_ATOMIC(atomicMin, int, old < v ? old : v)
CS_ATOMIC(atomicMin, unsigned, old < v ? old : v)
CS_ATOMIC(atomicOr, int, old | v)
CS_ATOMIC(atomicOr, unsigned, old | v)
CS_ATOMIC(atomicAnd, int, old &v)
CS_ATOMIC(atomicAnd, unsigned, old &v)
CS_ATOMIC(atomicExch, int, ((void)old, v))
CS_ATOMIC(atomicExch, unsigned, ((void)old, v))
CS_ATOMIC(atomicExch, float, ((void)old, v))
CS_ATOMIC(atomicInc, unsigned, old >= v ? 0 : old + 1)
#undef CS_ATOMIC

template <class T> static inline T cs_exchange_if(T *p, T compare, T v)
{
    return cudasim::atomic(
        p, [compare, v](T old) CS_UNCHECKED -> T { return old == compare ? v : old; });
}
static inline int atomicCAS(int *p, int compare, int v)
{
    return cs_exchange_if(p, compare, v);
}
static inline unsigned atomicCAS(unsigned *p, unsigned compare, unsigned v)
{
    return cs_exchange_if(p, compare, v);
}
static inline unsigned long long
atomicCAS(unsigned long long *p, unsigned long long compare, unsigned long long v)
{
    return cs_exchange_if(p, compare, v);
}

static inline unsigned __float_as_uint(float f)
{
    unsigned u;
    memcpy(&u, &f, sizeof u);
    return u;
}
static inline float __uint_as_float(unsigned u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static inline int __float_as_int(float f)
{
    return (int)__float_as_uint(f);
}
static inline float __int_as_float(int i)
{
    return __uint_as_float((unsigned)i);
}
static inline long long __double_as_longlong(double d)
{
    long long l;
    memcpy(&l, &d, sizeof l);
    return l;
}
static inline double __longlong_as_double(long long l)
{
    double d;
    memcpy(&d, &l, sizeof d);
    return d;
}

static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
static inline int __popcll(unsigned long long x)
{
    return __builtin_popcountll(x);
}
static inline int __clz(int x)
{
    return x ? __builtin_clz((unsigned)x) : 32;
}
static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}
static inline unsigned __umulhi(unsigned a, unsigned b)
{
    return (unsigned)(((unsigned long long)a * b) >> 32);
}
static inline unsigned __brev(unsigned x)
{
    unsigned r = 0;
    for (int i = 0; i < 32; i++)
        r |= (x >> i & 1u) << (31 - i);
    return r;
}

static inline float cs_rsqrtf(float x)
{
    return 1.0f / sqrtf(x);
}
// The C library declares some of these names, or will, so they are not functions.
#define rsqrtf(x) cs_rsqrtf(x)
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __powf(x, y) powf(x, y)

static inline float __fdividef(float a, float b)
{
    return a / b;
}
static inline float __frcp_rn(float a)
{
    return 1.0f / a;
}
static inline float __fsqrt_rn(float a)
{
    return sqrtf(a);
}
static inline float __fdiv_rn(float a, float b)
{
    return a / b;
}
static inline float __fmaf_rn(float a, float b, float c)
{
    return fmaf(a, b, c);
}
static inline float __saturatef(float a)
{
    return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f;
}
static inline float __int2float_rn(int a)
{
    return (float)a;
}
static inline float __uint2float_rn(unsigned a)
{
    return (float)a;
}
static inline int __float2int_rn(float a)
{
    return (int)lrintf(a);
}
static inline int __float2int_rd(float a)
{
    return (int)floorf(a);
}
// Products and sums that the compiler must not fuse.
__attribute__((noinline)) static float cs_product(float a, float b)
{
    return a * b;
}
static inline float __fmul_rn(float a, float b)
{
    return cs_product(a, b);
}
__attribute__((noinline)) static float cs_sum(float a, float b)
{
    return a + b;
}
static inline float __fadd_rn(float a, float b)
{
    return cs_sum(a, b);
}
static inline float __fsub_rn(float a, float b)
{
    return cs_sum(a, -b);
}

template <class A, class B>
static inline typename std::common_type<A, B>::type min(A a, B b)
{
    return b < a ? b : a;
}
template <class A, class B>
static inline typename std::common_type<A, B>::type max(A a, B b)
{
    return a < b ? b : a;
}
static inline size_t __cvta_generic_to_shared(const void *p)
{
    return (size_t)p;
}

namespace cudasim
{
/* cvt.rn.bf16.f32: to the nearest, ties to even; NaN is 0x7fff. */
static inline uint16_t bf16(float f)
{
    unsigned u = __float_as_uint(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return 0x7fff;
    u += 0x7fffu + (u >> 16 & 1u);
    return (uint16_t)(u >> 16);
}
/* cvt.rn.bf16x2.f32: low in bits 0 to 15. */
static inline uint32_t bf16x2(float low, float high)
{
    return (uint32_t)bf16(high) << 16 | bf16(low);
}
/* cvt.rna.tf32.f32: to the nearest, ties away from zero, 10 bits of mantissa kept. */
static inline uint32_t tf32(float f)
{
    const unsigned u = __float_as_uint(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return 0x7fffffffu;
    if ((u & 0x7fffffffu) == 0x7f800000u)
        return u;
    return (u + 0x1000u) & 0xffffe000u;
}
} // namespace cudasim

struct __nv_bfloat16 {
    uint16_t x;
};
static inline float __bfloat162float(__nv_bfloat16 h)
{
    return __uint_as_float((unsigned)h.x << 16);
}
static inline __nv_bfloat16 __float2bfloat16(float f)
{
    return {cudasim::bf16(f)};
}
static inline __nv_bfloat16 __float2bfloat16_rn(float f)
{
    return {cudasim::bf16(f)};
}

#endif
