/* fuzz_safetensors.c: any bytes as a file of tensors, the container of models and of
 * checkpoints. What is read is looked at whole. */
#include "fuzz.h"
#include "model/model.h"
#include <math.h>
#include <string.h>

int rj_fuzz_safetensors(const uint8_t *bytes, size_t n)
{
    rj_st_file f = {0};

    if (rj_st_parse("fuzz", bytes, n, &f) != RIJ_OK)
        return 0;
    for (int i = 0; i < f.tensors; i++)
        for (size_t k = 0; k < rj_count(&f.tensor[i].shape); k++)
            if (!isfinite(f.tensor[i].x[k]))
                __builtin_trap();
    for (int i = 0; i < f.entries; i++)
        if (!f.entry[i].key || !f.entry[i].value || strcmp(f.entry[i].key, "hash") == 0)
            __builtin_trap();
    rj_st_free(&f);
    return 0;
}

FUZZ_TARGET(safetensors)
