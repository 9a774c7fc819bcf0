/* Planted mistakes must be reported, each by its kind and its line; right kernels must
 * not be, in any order. */
#include "trial.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>

struct Expected {
    enum plant which;
    const char *kind, *mark; // the mark stands in a comment on the line, in plants.cu
};
static const Expected expected[] = {
    {PLANT_NO_BARRIER, "race", "no_barrier"},
    {PLANT_PAST_DYNAMIC, "address", "past_dynamic"},
    {PLANT_PAST_STATIC, "address", "past_static"},
    {PLANT_HALF_AT_BARRIER, "divergence", "half_at_barrier"},
    {PLANT_TWO_BARRIERS, "divergence", "two_barriers"},
    {PLANT_EXIT_BEFORE_BARRIER, "divergence", "exit_before_barrier"},
    {PLANT_MASK_IN_BRANCH, "divergence", "mask_in_branch"},
    {PLANT_FOREIGN_LANE, "shuffle", "foreign_lane"},
    {PLANT_NO_SYNCWARP, "race", "no_syncwarp"},
    {PLANT_UNWRITTEN_SHARED, "uninitialised", "unwritten_shared"},
    {PLANT_UNWRITTEN_DEVICE, "uninitialised", "unwritten_device"},
    {PLANT_HOST_POINTER, "address", "host_pointer"},
    {PLANT_PAST_ALLOCATION, "address", "past_allocation"},
    {PLANT_FREED, "address", "freed"},
    {PLANT_MISALIGNED, "misaligned", "misaligned"},
    {PLANT_BLOCKS_ADD, "race", "blocks_add"},
    {PLANT_PLAIN_AND_ATOMIC, "race", "plain_and_atomic"},
    {PLANT_HANDED_TOO_SOON, "race", "handed_too_soon"},
    {PLANT_TAKEN_TOO_SOON, "race", "taken_too_soon"},
    {PLANT_NEVER_HANDED, "wait", "never_handed"},
    {PLANT_CONSTANT, "address", "constant"},
    {PLANT_COPY_KEPT, "copy", "copy_kept"},
    {PLANT_COPY_NO_BARRIER, "race", "copy_no_barrier"},
    {PLANT_REUSED_TOO_SOON, "race", "reused_too_soon"},
    {PLANT_MATRIX_ROW_MISALIGNED, "misaligned", "row"},
    {PLANT_MATRIX_ROW_OUTSIDE, "address", "row"},
    {PLANT_MATRIX_HALF_WARP, "warp", "half_warp"},
    {PLANT_TOO_MUCH_SHARED, "launch", nullptr},
};

/* Whether a text names a line of plants.cu that bears the mark. */
static bool names_line(const std::string &text, const char *mark)
{
    char line[300];
    FILE *source = fopen("test/cuda-sim/plants.cu", "r");
    bool found = false;

    for (int number = 1; source && fgets(line, sizeof line, source); number++) {
        const std::string place = "plants.cu:" + std::to_string(number);
        const char *comment = strstr(line, "// mistake:");
        const size_t at = text.find(place);
        if (comment && strstr(comment, mark) && at != std::string::npos &&
            !(text[at + place.size()] >= '0' && text[at + place.size()] <= '9'))
            found = true;
    }
    if (source)
        fclose(source);
    return found;
}

static void find(const Expected &e, bool lines)
{
    const int n = 1024;
    std::vector<float> host(n, 1.0f);
    const DeviceArray<float> memory(host);
    const cudaError_t launched = plant(e.which, memory.data, n, host.data(), nullptr);
    const cudaError_t result = cudaDeviceSynchronize();

    if (!EXPECT(launched == cudaSuccess || launched == cudaErrorLaunchFailure) ||
        !EXPECT(result == cudaErrorLaunchFailure) ||
        !EXPECT(cudasim_errors_of_kind(e.kind) > 0))
        printf("    planted: %s, of kind %s\n", e.mark ? e.mark : "a launch", e.kind);
    else if (lines && e.mark && !EXPECT(names_line(cudasim_last_error(), e.mark)))
        printf("    wanted: the line of %s\n", e.mark);
    // Nothing works any more, as on a device.
    void *p;
    EXPECT(cudaMalloc(&p, 16) == cudaErrorLaunchFailure);
}

void test_plants()
{
    static_assert(sizeof expected / sizeof expected[0] == PLANTS,
                  "a plant is not tested");
    const bool lines = system("addr2line --version > /dev/null 2>&1") == 0;

    if (!cudasim_checked())
        return;
    for (int order = 0; order < 3; order++) {
        for (const Expected &e : expected) {
            fresh_start();
            cudasim_settings()->quiet = 1;
            cudasim_settings()->order = (enum cudasim_order)order;
            find(e, lines);
        }
    }
    fresh_start();
}

static uint16_t to_bf16(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    u += 0x7fff + (u >> 16 & 1);
    return (uint16_t)(u >> 16);
}

static double from_bf16(uint16_t h)
{
    const uint32_t u = (uint32_t)h << 16;
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

/* Products are exact in float; k additions round to 2^-24 of at most k. */
static void check_gemm(int m, int n, int k)
{
    std::vector<uint16_t> a((size_t)(m * k)), b((size_t)(n * k));
    double worst = 0;

    for (uint16_t &v : a)
        v = to_bf16(some_number());
    for (uint16_t &v : b)
        v = to_bf16(some_number());
    const DeviceArray<uint16_t> da(a), db(b);
    const DeviceArray<float> dc((size_t)(m * n));
    EXPECT(plain_gemm(da.data, db.data, dc.data, m, n, k, nullptr) == cudaSuccess);
    EXPECT(cudaDeviceSynchronize() == cudaSuccess);
    const std::vector<float> c = dc.get();
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int x = 0; x < k; x++)
                sum +=
                    from_bf16(a[(size_t)(i * k + x)]) * from_bf16(b[(size_t)(j * k + x)]);
            worst = fmax(worst, fabs(sum - (double)c[(size_t)(i * n + j)]));
        }
    EXPECT(worst <= k * k * pow(2, -24));
}

static void check_exchanges(int blocks)
{
    std::vector<float> in((size_t)(128 * blocks)), sums((size_t)blocks);

    for (size_t i = 0; i < in.size(); i++) {
        in[i] = some_number();
        sums[i / 128] += in[i];
    }
    const DeviceArray<float> din(in), dout(in.size()), dsum((size_t)blocks);
    const DeviceArray<int> counter(std::vector<int>(2, 0));
    EXPECT(plain_exchanges(din.data, dout.data, counter.data, blocks, nullptr) ==
           cudaSuccess);
    EXPECT(plain_sum(din.data, dsum.data, blocks, 0, nullptr) == cudaSuccess);
    EXPECT(cudaDeviceSynchronize() == cudaSuccess);
    EXPECT(dout.get() == in);
    EXPECT(counter.get() == (std::vector<int>{blocks, blocks - 1}));
    const std::vector<float> got = dsum.get();
    bool close = true;
    for (size_t i = 0; i < got.size(); i++)
        close = close && fabsf(got[i] - sums[i]) < 1e-4f;
    EXPECT(close);
}

static void check_pairs(int pairs)
{
    const std::vector<unsigned> zeros(2 * (size_t)pairs);
    std::vector<float> x((size_t)(128 * pairs));

    for (size_t i = 0; i < x.size(); i++)
        x[i] = (float)i;
    const DeviceArray<float> dx(x);
    const DeviceArray<unsigned> words(zeros);
    EXPECT(plain_pairs(dx.data, words.data, pairs, nullptr) == cudaSuccess);
    EXPECT(cudaDeviceSynchronize() == cudaSuccess);
    for (size_t i = 0; i < x.size(); i++)
        x[i] = (x[i] + 2) * 2;
    EXPECT(dx.get() == x);
    EXPECT(words.get() == zeros);
}

void test_right_kernels()
{
    for (int order = 0; order < 3; order++)
        for (unsigned seed = 1; seed <= 3; seed++) {
            fresh_start();
            cudasim_settings()->order = (enum cudasim_order)order;
            cudasim_settings()->seed = seed;
            cudasim_settings()->preempt = order == CUDASIM_RANDOM ? 20 : 0;
            check_exchanges(5);
            check_pairs(5);
            check_gemm(64, 128, 96);
            EXPECT(cudasim_statistics()->errors == 0);
        }
}
