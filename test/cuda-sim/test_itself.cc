/* The tests of the simulator: what it must find, and what it must let pass.
 *
 *   itself [plugin.so]         all tests
 *   itself --fail              one test of a kernel with a mistake, which must fail
 *   itself --cost              nanoseconds of a thread's step */
#include "trial.h"
#include <chrono>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed, failed;
static const char *plugin;

bool expect(bool condition, const char *text, const char *file, int line)
{
    if (condition) {
        passed++;
    } else {
        failed++;
        printf("%s:%d: not so: %s\n", file, line, text);
        if (*cudasim_last_error())
            printf("    the simulator says: %s\n", cudasim_last_error());
    }
    return condition;
}

void give_up(const char *call, cudaError_t error, const char *file, int line)
{
    printf("%s:%d: %s: %s\n    %s\n", file, line, call, cudaGetErrorName(error),
           cudasim_last_error());
    exit(1);
}

const char *plugin_path()
{
    return plugin;
}

void fresh_start()
{
    static const struct cudasim_config at_first = *cudasim_settings();

    cudaDeviceSynchronize();
    cudasim_reset();
    *cudasim_settings() = at_first;
    cudasim_fail_alloc(0);
}

float some_number()
{
    static uint64_t state = 1;

    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (float)((int64_t)(state >> 33) - (1 << 30)) / (float)(1 << 30);
}

/* Whether the sum of 128 ones is right and nothing is reported. */
static bool sum_is_right(int mistake)
{
    const DeviceArray<float> in(std::vector<float>(128, 1.0f)), out(1);
    float sum = 0;

    return plain_sum(in.data, out.data, 1, mistake, nullptr) == cudaSuccess &&
           cudaDeviceSynchronize() == cudaSuccess &&
           cudaMemcpy(&sum, out.data, sizeof sum, cudaMemcpyDeviceToHost) ==
               cudaSuccess &&
           sum == 128.0f;
}

/* A test that cannot fail is none: the same test must refuse the kernel with a mistake.
 */
static void test_the_test()
{
    fresh_start();
    cudasim_settings()->quiet = 1;
    EXPECT(sum_is_right(0));
    EXPECT(!sum_is_right(1));
}

static double seconds()
{
    return std::chrono::duration<double>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

static int print_costs()
{
    static const struct {
        const char *name;
        enum step step;
        int times, blocks;
    } costs[] = {
        {"__syncthreads", STEP_BARRIER, 2000, 1},
        {"__shfl_xor_sync", STEP_SHUFFLE, 2000, 1},
        {"__syncwarp", STEP_WARP, 2000, 1},
        {"a thread", STEP_NOTHING, 1, 2000},
        {"mma m16n8k16", STEP_MMA, 2000, 1},
        {"ldmatrix x4", STEP_MATRIX, 2000, 1},
    };
    const DeviceArray<float> out(2000 * 256);

    for (const auto &c : costs) {
        double best = 1e9;
        for (int i = 0; i < 5; i++) {
            const double start = seconds();
            MUST(cost(c.step, out.data, c.times, c.blocks, 256));
            MUST(cudaDeviceSynchronize());
            const double time = seconds() - start;
            best = time < best ? time : best;
        }
        printf("%-16s %7.2f ns a thread\n", c.name,
               best * 1e9 / ((double)c.times * c.blocks * 256));
    }
    return 0;
}

int main(int count, char **arguments)
{
    static void (*const tests[])() = {
        test_the_test, test_plants,  test_right_kernels, test_matrices,
        test_numbers,  test_copies,  test_stream_order,  test_runtime,
        test_capture,  test_threads, test_plugin,
    };

    setvbuf(stdout, nullptr, _IOLBF, 0);
    if (count > 1 && strcmp(arguments[1], "--cost") == 0)
        return print_costs();
    if (count > 1 && strcmp(arguments[1], "--fail") == 0) {
        cudasim_settings()->quiet = 1;
        EXPECT(sum_is_right(1));
    } else {
        plugin = count > 1 ? arguments[1] : nullptr;
        for (void (*test)() : tests) {
            fresh_start();
            test();
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
