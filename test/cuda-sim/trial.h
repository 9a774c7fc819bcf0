/* A small harness for the tests of the simulator itself: EXPECT counts, main() says how
 * many passed. */
#ifndef CUDASIM_TRIAL_H
#define CUDASIM_TRIAL_H

#include <cuda_runtime_api.h>
#include <cudasim_control.h>
#include "plants.h"
#include <stddef.h>
#include <stdint.h>
#include <vector>

#define EXPECT(condition) expect((condition), #condition, __FILE__, __LINE__)
/* A call that must succeed, or the test makes no sense. */
#define MUST(call)                                                                       \
    do {                                                                                 \
        const cudaError_t error_ = (call);                                               \
        if (error_)                                                                      \
            give_up(#call, error_, __FILE__, __LINE__);                                  \
    } while (0)

bool expect(bool condition, const char *text, const char *file, int line);
[[noreturn]] void give_up(const char *call, cudaError_t error, const char *file,
                          int line);
const char *plugin_path(); // of the library that test_plugin.cc opens, or null

/* Settings as they were when the program began, no error, no work left. */
void fresh_start();
/* Numbers in -1 .. 1, the same in each run. */
float some_number();

template <class T> struct DeviceArray {
    T *data = nullptr;
    size_t size;

    explicit DeviceArray(size_t count) : size(count)
    {
        MUST(cudaMalloc((void **)&data, count * sizeof(T)));
    }
    explicit DeviceArray(const std::vector<T> &from) : DeviceArray(from.size())
    {
        MUST(cudaMemcpy(data, from.data(), size * sizeof(T), cudaMemcpyHostToDevice));
    }
    DeviceArray(const DeviceArray &) = delete;
    ~DeviceArray()
    {
        cudaFree(data);
    }
    std::vector<T> get() const
    {
        std::vector<T> host(size);
        MUST(cudaMemcpy(host.data(), data, size * sizeof(T), cudaMemcpyDeviceToHost));
        return host;
    }
};

void test_plants();
void test_right_kernels();
void test_matrices();
void test_numbers();
void test_copies();
void test_stream_order();
void test_runtime();
void test_capture();
void test_threads();
void test_plugin();

#endif
