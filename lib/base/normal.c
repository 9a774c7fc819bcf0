/* normal.c: many normal numbers at once, by Box and Muller (1958): of 64 random bits, 24
 * choose the radius, up to 5.8 deviations, and 24 the angle:
 *
 *     u = (k + 1) / 2^24, v = l / 2^24:  sqrt(-2 ln u) (cos 2 pi v, sin 2 pi v)
 *
 * Logarithm, root, sine and cosine are sums and products written out here, in an order
 * that no compiler may change, so the same stream gives the same bits on every machine;
 * they are good to a few units of the last place. Loops run over 8 numbers side by side,
 * which every compiler turns into vector instructions. */
#include "base/base.h"
#include <string.h>

#define ALWAYS static inline __attribute__((always_inline))

enum { LANES = 8, GROUP = 4 * LANES }; /* Philox blocks at a time; their numbers */

/* Word w of blocks first .. first + LANES - 1 into word[w]. As rj_philox(). */
static void philox(const rj_random *r, uint64_t first, uint32_t word[4][LANES])
{
    uint32_t k0 = (uint32_t)r->seed, k1 = (uint32_t)(r->seed >> 32);

    for (int l = 0; l < LANES; l++) {
        word[0][l] = (uint32_t)(first + (uint64_t)l);
        word[1][l] = (uint32_t)((first + (uint64_t)l) >> 32);
        word[2][l] = (uint32_t)r->stream;
        word[3][l] = (uint32_t)(r->stream >> 32);
    }
    for (int i = 0; i < 10; i++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int l = 0; l < LANES; l++) {
            const uint64_t a = (uint64_t)0xD2511F53u * word[0][l];
            const uint64_t b = (uint64_t)0xCD9E8D57u * word[2][l];

            word[0][l] = (uint32_t)(b >> 32) ^ word[1][l] ^ k0;
            word[2][l] = (uint32_t)(a >> 32) ^ word[3][l] ^ k1;
            word[1][l] = (uint32_t)b;
            word[3][l] = (uint32_t)a;
        }
}

ALWAYS float as_float(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

ALWAYS uint32_t as_bits(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* -2 ln(n / 2^24), n in 1 .. 2^24. n = m 2^e with m near 1, and ln m = 2 artanh(s) for
 * s = (m - 1) / (m + 1), |s| < 0.172, whose series s + s^3/3 + .. ends at s^9/9. */
ALWAYS float minus_two_log(uint32_t n)
{
    const uint32_t bits = as_bits((float)(int32_t)n);
    const uint32_t shift = (bits - 0x3f3504f3u) & 0xff800000u; // m from sqrt(1/2)
    const float e = (float)((int32_t)(shift >> 23) - 24);
    const float m = as_float(bits - shift), s = (m - 1) / (m + 1), t = s * s;
    const float series = ((t * (1 / 9.0f) + 1 / 7.0f) * t + 1 / 5.0f) * t + 1 / 3.0f;

    return -2 * (e * 0.69314718f + 2 * (s + s * t * series));
}

/* By Newton's rule on 1 / sqrt x from a first guess by its exponent; 0 for 0. */
ALWAYS float root(float x)
{
    const float half = 0.5f * x;
    float y = as_float(0x5f375a86u - (as_bits(x) >> 1));

    y = y * (1.5f - half * y * y);
    y = y * (1.5f - half * y * y);
    y = y * (1.5f - half * y * y);
    return x * y;
}

/* The pair of 64 bits. The angle is a quarter turn `q` and a rest of an eighth at most,
 * whose sine and cosine are short series. */
ALWAYS void pair(uint32_t high, uint32_t low, float *even, float *odd)
{
    const float radius = root(minus_two_log((high >> 8) + 1));
    const uint32_t q = ((low & 0xffffff) + (1u << 21)) >> 22;
    const int32_t rest = (int32_t)(low & 0xffffff) - (int32_t)(q << 22);
    const float a = (float)rest * (1.57079633f * 0x1p-22f), t = a * a;
    const float sine = a + a * t * ((t * -1.9515296e-4f + 8.3321609e-3f) * t - 1 / 6.0f);
    const float cosine =
        1 - t * 0.5f + t * t * ((t * 2.4433157e-5f - 1.3887316e-3f) * t + 4.1666646e-2f);
    const uint32_t swap = 0u - (q & 1), keep = ~swap;
    const uint32_t x = (as_bits(cosine) & keep) | (as_bits(sine) & swap);
    const uint32_t y = (as_bits(sine) & keep) | (as_bits(cosine) & swap);

    *even = radius * as_float(x ^ ((q + 1) & 2) << 30); // cos is below 0 for q = 1, 2
    *odd = radius * as_float(y ^ (q & 2) << 30);        // sin for q = 2, 3
}

/* The numbers of blocks first .. first + LANES - 1 of a stream. */
static void group(const rj_random *r, uint64_t first, float out[GROUP])
{
    uint32_t word[4][LANES];
    float z[4][LANES];

    philox(r, first, word);
    for (int l = 0; l < LANES; l++)
        pair(word[0][l], word[1][l], &z[0][l], &z[1][l]);
    for (int l = 0; l < LANES; l++)
        pair(word[2][l], word[3][l], &z[2][l], &z[3][l]);
    for (int l = 0; l < LANES; l++)
        for (int k = 0; k < 4; k++)
            out[4 * l + k] = z[k][l];
}

void rj_random_normals(rj_random *r, size_t n, float *out)
{
    uint64_t block = r->index >> 1;
    size_t skip = (size_t)(r->index & 1) * 2; // half a block is gone already

    r->index += n / 2 + n % 2;
    for (; n > 0; block += LANES, skip = 0) {
        float z[GROUP];
        const size_t some = RJ_MIN(n, GROUP - skip);

        group(r, block, z);
        memcpy(out, z + skip, some * sizeof *out);
        out += some;
        n -= some;
    }
}
