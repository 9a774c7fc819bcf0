/* Layouts of fragments, element by element; roundings; what cp.async has brought when. */
#include "trial.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static uint32_t bits_of(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

/* Small whole numbers are exact in bf16 and tf32, and so are sums of their products. */
static float small_number()
{
    return rintf(some_number() * 15);
}

static std::vector<double> product(const std::vector<float> &a,
                                   const std::vector<float> &b,
                                   const std::vector<float> &c, int depth)
{
    std::vector<double> d(128);

    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            double sum = (double)c[(size_t)(i * 8 + j)];
            for (int k = 0; k < depth; k++)
                sum +=
                    (double)a[(size_t)(i * depth + k)] * (double)b[(size_t)(k * 8 + j)];
            d[(size_t)(i * 8 + j)] = sum;
        }
    return d;
}

static bool multiplies(const std::vector<float> &a, const std::vector<float> &b,
                       const std::vector<float> &c, int depth)
{
    const DeviceArray<float> dc(c), dd(128);

    if (depth == 16) {
        std::vector<uint16_t> ha, hb;
        for (float v : a)
            ha.push_back((uint16_t)(bits_of(v) >> 16));
        for (float v : b)
            hb.push_back((uint16_t)(bits_of(v) >> 16));
        const DeviceArray<uint16_t> da(ha), db(hb);
        MUST(warp_mma_bf16(da.data, db.data, dc.data, dd.data));
    } else {
        const DeviceArray<float> da(a), db(b);
        MUST(warp_mma_tf32(da.data, db.data, dc.data, dd.data));
    }
    MUST(cudaDeviceSynchronize());
    const std::vector<float> d = dd.get();
    const std::vector<double> wanted = product(a, b, c, depth);
    bool same = true;
    for (size_t i = 0; i < 128; i++)
        same = same && (double)d[i] == wanted[i];
    return same;
}

/* One element of a, or of b, is one and the others zero: its row, or column, of the other
 * matrix comes out where it belongs. */
static void probe(int depth)
{
    const size_t na = (size_t)(16 * depth), nb = (size_t)(depth * 8);
    std::vector<float> a(na), b(nb), c(128), zero(128);
    bool all = true;

    for (float *v = a.data(); v < a.data() + na; v++)
        *v = small_number();
    for (float *v = b.data(); v < b.data() + nb; v++)
        *v = small_number();
    for (float &v : c)
        v = small_number();
    for (size_t i = 0; i < na; i++) {
        std::vector<float> one(na);
        one[i] = 1;
        all = all && multiplies(one, b, zero, depth);
    }
    EXPECT(all);
    for (size_t i = 0; i < nb; i++) {
        std::vector<float> one(nb);
        one[i] = 1;
        all = all && multiplies(a, one, zero, depth);
    }
    EXPECT(all);
    EXPECT(multiplies(a, b, c, depth));
}

/* Lane 4 g + t gets numbers 2 t and 2 t + 1 of row g, or of column g. */
static void check_ldmatrix(int matrices, int transposed)
{
    std::vector<uint16_t> rows(32 * 8);
    bool all = true;

    for (size_t i = 0; i < rows.size(); i++)
        rows[i] = (uint16_t)(i * 7 + 1);
    const DeviceArray<uint16_t> drows(rows);
    const DeviceArray<uint32_t> dr(128);
    MUST(warp_ldmatrix(drows.data, dr.data, matrices, transposed));
    MUST(cudaDeviceSynchronize());
    const std::vector<uint32_t> r = dr.get();
    for (int m = 0; m < matrices; m++)
        for (int lane = 0; lane < 32; lane++)
            for (int half = 0; half < 2; half++) {
                const int along = lane % 4 * 2 + half, across = lane / 4;
                const int row = transposed ? along : across;
                const int column = transposed ? across : along;
                const uint16_t got = (uint16_t)(r[(size_t)(m * 32 + lane)] >> 16 * half);
                all = all && got == rows[(size_t)((m * 8 + row) * 8 + column)];
            }
    EXPECT(all);
}

void test_matrices()
{
    probe(16);
    probe(8);
    for (int transposed = 0; transposed < 2; transposed++)
        for (int matrices : {1, 2, 4})
            check_ldmatrix(matrices, transposed);
    // tf32 takes the upper 19 bits of a register, whatever the others are.
    std::vector<float> a(128), b(64), c(128);
    a[0] = float_of(bits_of(1.5f) | 0x1fff);
    b[0] = float_of(bits_of(2.0f) | 0x1fff);
    const DeviceArray<float> da(a), db(b), dc(c), dd(128);
    MUST(warp_mma_tf32(da.data, db.data, dc.data, dd.data));
    EXPECT(dd.get()[0] == 3.0f);
    // Devices before sm_80 have no such instruction.
    cudasim_settings()->arch = 75;
    cudasim_settings()->quiet = 1;
    EXPECT(warp_mma_tf32(da.data, db.data, dc.data, dd.data) == cudaSuccess);
    EXPECT(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
    EXPECT(cudasim_errors_of_kind("arch") == 1);
    fresh_start();
}

/* The nearest number with `kept` bits after the point, by trying both neighbours. */
static float nearest(float x, int dropped, bool ties_to_even)
{
    const uint32_t step = 1u << dropped, down = bits_of(x) & ~(step - 1);
    const double below = (double)float_of(down), above = (double)float_of(down + step);
    const double to_below = fabs((double)x - below), to_above = fabs(above - (double)x);

    if (to_below != to_above)
        return float_of(to_below < to_above ? down : down + step);
    if (to_below == 0)
        return x;
    return float_of(ties_to_even && !(down & step) ? down : down + step);
}

void test_numbers()
{
    std::vector<float> x = {0.0f,
                            1.0f,
                            1.00390625f,
                            1.01171875f,
                            -2.5e-5f,
                            3.0e30f,
                            1.0f / 3,
                            float_of(0x3f801000),
                            65504.0f,
                            float_of(0x3f803000),
                            -float_of(0x40491000)};
    for (int i = 0; i < 3000; i++)
        x.push_back(some_number() * powf(2, (float)(i % 40 - 20)));
    const DeviceArray<float> dx(x);
    const DeviceArray<uint32_t> dbf16(x.size()), dtf32(x.size());
    MUST(convert(dx.data, dbf16.data, dtf32.data, (int)x.size()));
    MUST(cudaDeviceSynchronize());
    const std::vector<uint32_t> bf16 = dbf16.get(), tf32 = dtf32.get();
    bool all_bf16 = true, all_tf32 = true;
    for (size_t i = 0; i < x.size(); i++) {
        all_bf16 = all_bf16 &&
                   (bf16[i] & 0xffff) == bits_of(nearest(x[i], 16, true)) >> 16 &&
                   (bf16[i] >> 16) == bits_of(nearest(-x[i], 16, true)) >> 16;
        all_tf32 = all_tf32 && tf32[i] == bits_of(nearest(x[i], 13, false));
    }
    EXPECT(all_bf16);
    EXPECT(all_tf32);

    const DeviceArray<unsigned> dout(256);
    MUST(warp_intrinsics(dout.data));
    const std::vector<unsigned> out = dout.get();
    bool all = true;
    for (unsigned t = 0; t < 32; t++) {
        unsigned reversed = 0;
        for (unsigned i = 0; i < 32; i++)
            reversed |= (t >> i & 1) << (31 - i);
        all = all && out[t] == (t < 3 ? t : t - 3) &&
              out[32 + t] == (t > 26 ? t : t + 5) && out[64 + t] == (t & 24) + 1 &&
              out[96 + t] == ((t & 7) + 2 > 7 ? t : t + 2) &&
              out[128 + t] == 0x49249249u && out[160 + t] == (t ^ 7) &&
              (out[192 + t] & 255) == (unsigned)__builtin_popcount(t) &&
              (out[192 + t] >> 8 & 255) == (t ? (unsigned)__builtin_clz(t) : 32u) &&
              out[192 + t] >> 16 == (unsigned)__builtin_ffs((int)t) &&
              out[224 + t] == (t / 2 | (reversed & 0xff000000u));
    }
    EXPECT(all);
}

/* The newest `keep` groups may be missing, and are. */
void test_copies()
{
    std::vector<float> in(384);

    for (float &v : in)
        v = some_number();
    const DeviceArray<float> din(in);
    for (int keep = 0; keep <= 3; keep++) {
        fresh_start();
        cudasim_settings()->quiet = 1;
        const DeviceArray<float> dout(384);
        MUST(warp_copies(din.data, dout.data, keep));
        const bool noticed = cudaDeviceSynchronize() != cudaSuccess;
        EXPECT(noticed == (cudasim_checked() && keep > 0));
        EXPECT((cudasim_errors_of_kind("copy") > 0) == noticed);
        cudasim_reset();
        const std::vector<float> out = dout.get();
        bool right = true;
        for (size_t i = 0; i < 384; i++) {
            const float wanted = i >= 256 && i % 4 ? 0.0f : in[i];
            right =
                right && (i / 128 + (size_t)keep < 3 ? out[i] == wanted : isnan(out[i]));
        }
        EXPECT(right);
    }
    fresh_start();
}
