/* random.c: Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw,
 * "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). No state but a counter, so
 * number i of stream s of seed k is the same whoever asks and whenever. */
#include "base/base.h"
#include <math.h>

static void round_once(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    const uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
    const uint32_t c1 = c[1], c3 = c[3];

    c[0] = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c[1] = (uint32_t)b;
    c[2] = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c[3] = (uint32_t)a;
}

void rj_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];

    for (int i = 0; i < 4; i++)
        out[i] = counter[i];
    for (int i = 0; i < 10; i++) {
        round_once(out, k0, k1);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

rj_random rj_random_start(uint64_t seed, enum rj_stream purpose, uint64_t counter)
{
    const uint64_t mask = ((uint64_t)1 << 48) - 1;
    const rj_random r = {seed, (uint64_t)purpose << 48 | (counter & mask), 0};

    return r;
}

/* One block gives 128 bits; two calls share it. */
uint64_t rj_random_bits(rj_random *r)
{
    const uint64_t block = r->index >> 1;
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32),
                                 (uint32_t)r->stream, (uint32_t)(r->stream >> 32)};
    const uint32_t key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
    const size_t half = (r->index & 1) * 2;
    uint32_t out[4];

    rj_philox(counter, key, out);
    r->index++;
    return (uint64_t)out[half] << 32 | out[half + 1];
}

double rj_random_uniform(rj_random *r, double low, double high)
{
    const double u = (double)(rj_random_bits(r) >> 11) * 0x1p-53; // 53 bits, [0, 1)
    const double x = low + (high - low) * u;

    return x < high ? x : low; // rounding may reach high
}

/* Lemire's multiply-shift; the bias, below n / 2^64, is of no consequence here. */
int rj_random_below(rj_random *r, int n)
{
    return (int)((rj_random_bits(r) >> 32) * (uint64_t)n >> 32);
}

/* Box and Muller (1958), one of the pair: every call takes two numbers, so the place of
 * the next one does not depend on what came before. */
double rj_random_normal(rj_random *r)
{
    const double pi = 3.14159265358979323846;
    const double u = 1.0 - rj_random_uniform(r, 0, 1); // (0, 1]
    const double v = rj_random_uniform(r, 0, 1);

    return sqrt(-2 * log(u)) * cos(2 * pi * v);
}

void rj_random_shuffle(rj_random *r, int *items, int n)
{
    for (int i = n - 1; i > 0; i--) {
        const int j = rj_random_below(r, i + 1);
        const int keep = items[i];
        items[i] = items[j];
        items[j] = keep;
    }
}

/* FNV-1a over the bytes, then the finaliser of SplitMix64 so that low bits are good too.
 */
uint64_t rj_hash(const void *bytes, size_t n, uint64_t seed)
{
    const unsigned char *p = bytes;
    uint64_t h = 0xcbf29ce484222325u ^ seed;

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}
