/* bench_cuda_roof.c: peaks of cards by name, from NVIDIA's data sheets and architecture
 * white papers: dense, no sparsity; bf16 and tf32 with sums in float32; boost clocks. A
 * card that is not here has an unknown roof, not a guessed one. */
#include "bench_cuda.h"
#include <string.h>

#define T 1e12
#define G 1e9

/* More special names first. A GeForce name must match to its end, for a Ti, a SUPER or a
 * laptop's is another card. */
static const gpu_roof cards[] = {
    {"A100-SXM4-40GB", 19.5 * T, 156 * T, 312 * T, 1555 * G},
    {"A100-PCIE-40GB", 19.5 * T, 156 * T, 312 * T, 1555 * G},
    {"A100-SXM4-80GB", 19.5 * T, 156 * T, 312 * T, 2039 * G},
    {"A100 80GB PCIe", 19.5 * T, 156 * T, 312 * T, 1935 * G},
    {"H100 PCIe", 51 * T, 378 * T, 756 * T, 2039 * G},
    {"H100 NVL", 60 * T, 417 * T, 835 * T, 3938 * G},
    {"H100 80GB HBM3", 67 * T, 495 * T, 989 * T, 3352 * G},
    {"H200 NVL", 60 * T, 417 * T, 835 * T, 4800 * G},
    {"H200", 67 * T, 495 * T, 989 * T, 4800 * G},
    {"L40S", 91.6 * T, 183 * T, 362 * T, 864 * G},
    {"L40", 90.5 * T, 90.5 * T, 181 * T, 864 * G},
    {"L4", 30.3 * T, 60 * T, 121 * T, 300 * G},
    {"A10G", 0, 0, 0, 0}, // its data sheet gives no such rates
    {"A10", 31.2 * T, 62.5 * T, 125 * T, 600 * G},
    {"A30", 10.3 * T, 82 * T, 165 * T, 933 * G},
    {"A40", 37.4 * T, 74.8 * T, 149.7 * T, 696 * G},
    {"GeForce RTX 3070", 20.3 * T, 20.3 * T, 40.6 * T, 448 * G},
    {"GeForce RTX 3080", 29.8 * T, 29.8 * T, 59.5 * T, 760 * G},
    {"GeForce RTX 3090", 35.6 * T, 35.6 * T, 71 * T, 936 * G},
    {"GeForce RTX 4080", 48.7 * T, 48.7 * T, 97.5 * T, 717 * G},
    {"GeForce RTX 4090", 82.6 * T, 82.6 * T, 165.2 * T, 1008 * G},
    {"GeForce RTX 5080", 56.3 * T, 56.3 * T, 112.6 * T, 960 * G},
    {"GeForce RTX 5090", 104.8 * T, 104.8 * T, 209.5 * T, 1792 * G},
};

gpu_roof gpu_roof_of(const char *device)
{
    for (int i = 0; i < RJ_COUNT(cards); i++) {
        const char *at = strstr(device, cards[i].name);
        const char after = at ? at[strlen(cards[i].name)] : 0;

        if (!at || (after >= '0' && after <= '9'))
            continue; // an A100 is no A10
        if (strncmp(cards[i].name, "GeForce", 7) == 0 && after && after != ',')
            continue;
        return cards[i];
    }
    return (gpu_roof){.name = NULL};
}

double gpu_roof_s(const gpu_roof *r, enum rj_precision precision, bool products,
                  double work, double bytes)
{
    const double rates[] = {
        [RJ_FP32] = r->fp32, [RJ_BF16] = r->bf16, [RJ_TF32] = r->tf32};
    const double rate = products ? rates[precision] : r->fp32;

    if (rate <= 0 || r->memory <= 0)
        return 0;
    return RJ_MAX(work / rate, bytes / r->memory);
}
