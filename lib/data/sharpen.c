/* sharpen.c: fine detail made stronger, in place.
 *
 *     x += f (x - blur x),   blur (1 2 1)/4 along rows and columns
 *
 * rounded, where all nine pixels are; the outermost stay. */
#include "data/data.h"

#include <string.h>

enum { CHANNELS = 3 };

/* One row of n numbers; rows above, at and below it as they were. */
static void sharpen_row(int n, float f, const uint8_t *const from[3], uint8_t *to)
{
    static const int tap[3] = {1, 2, 1};

    for (int i = CHANNELS; i < n - CHANNELS; i++) {
        int blurred = 0;

        for (int k = 0; k < 9; k++)
            blurred += tap[k / 3] * tap[k % 3] * from[k / 3][i + (k % 3 - 1) * CHANNELS];
        to[i] =
            rj_rounded((float)from[1][i] + f * ((float)from[1][i] - (float)blurred / 16));
    }
}

rij_status rj_image_sharpen(rj_image *image, float f)
{
    const int n = image->w * CHANNELS;
    uint8_t *was = rj_alloc((size_t)n, 2), *above, *here;

    RJ_REQUIRE(was, RIJ_E_MEMORY, "operator: no memory for two rows of %d pixels",
               image->w);
    above = was;
    here = was + n;
    memcpy(above, image->rgb, (size_t)n);
    for (int y = 1; y < image->h - 1; y++) {
        uint8_t *row = image->rgb + (size_t)y * (size_t)n, *spare = above;

        memcpy(here, row, (size_t)n);
        sharpen_row(n, f, (const uint8_t *const[]){above, here, row + n}, row);
        above = here;
        here = spare;
    }
    rj_free(was);
    return RIJ_OK;
}
