/* pack.c: pictures between host order (N,C,H,W) and the device's storage. The reference
 * keeps host order, so both are copies. */
#include "device/device.h"
#include <string.h>

static size_t count(const rj_picture *d)
{
    return (size_t)d->n * (size_t)d->c * (size_t)d->h * (size_t)d->w;
}

rij_status rj_ref_pack(rj_device *dev, const rj_picture *d, const rj_real *planar,
                       rj_real *y)
{
    (void)dev;
    memcpy(y, planar, count(d) * sizeof *y);
    return RIJ_OK;
}

rij_status rj_ref_unpack(rj_device *dev, const rj_picture *d, const rj_real *x,
                         rj_real *planar)
{
    (void)dev;
    memcpy(planar, x, count(d) * sizeof *planar);
    return RIJ_OK;
}
