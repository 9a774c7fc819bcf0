/* view.c: from a picture to the numbers of one view. */
#include "data/data.h"

enum { MORE = 32 }; /* pixels that a window has beyond its crop: four JPEG blocks */

/* Start of a part of `part` among `whole` pixels, anywhere; below zero if it is larger.
 */
static int draw_start(int whole, int part, rj_random *r)
{
    const int spare = whole - part;

    return spare >= 0 ? rj_random_below(r, spare + 1) : -rj_random_below(r, 1 - spare);
}

rj_place rj_place_draw(int w, int h, int crop, rj_random *r)
{
    rj_place p = {.crop = crop};

    p.w = RJ_MAX(crop, RJ_MIN(w, crop + MORE));
    p.h = RJ_MAX(crop, RJ_MIN(h, crop + MORE));
    p.x = draw_start(w, p.w, r);
    p.y = draw_start(h, p.h, r);
    p.crop_x = draw_start(p.w, crop, r);
    p.crop_y = draw_start(p.h, crop, r);
    p.flip = rj_random_below(r, 2) == 1;
    return p;
}

rij_status rj_view_write(const rj_image *window, const rj_place *place, const rj_law *law,
                         rj_random degrade, float *planar)
{
    rj_image degraded;

    RJ_TRY(rj_degrade_or_not(window, law, &degrade, &degraded));
    rj_image_planar_of(degraded.rgb ? &degraded : window, place->crop_x, place->crop_y,
                       place->crop, place->crop, place->flip, planar);
    rj_image_free(&degraded);
    return RIJ_OK;
}
