/* fuzz_checkpoint.c: any bytes as a checkpoint of a small training, which goes on from
 * it: options, standing, parameters, the optimiser's memory, traces. */
#include "fuzz_trainer.h"

int rj_fuzz_checkpoint(const uint8_t *bytes, size_t n)
{
    (void)fuzz_resume(bytes, n);
    return 0;
}

FUZZ_TARGET(checkpoint)
