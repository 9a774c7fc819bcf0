/* isolate.c: decoding in a cage (base/cage.c). What goes in is the file's bytes behind
 * the limits; what comes out are pixels, and their sides as the two numbers. Sides are
 * checked again out here: a decoder that was taken over may say anything. */
#include "data/data.h"

#include <string.h>

/* Of a worker, besides what the process had: 16384 x 6103 pixels as RGBA, as planes and
 * as RGB, with what decoders keep beside them; and far longer than any picture takes. */
enum { WORK_S = 60, WAIT_S = 120 };
static const size_t memory = (size_t)3 << 30;

static rij_status decode(const uint8_t *in, size_t n, uint8_t *out, size_t room,
                         size_t *used, int number[2])
{
    rj_limits limits;
    rj_image image;
    size_t bytes;

    RJ_REQUIRE(n >= sizeof limits, RIJ_E_IMAGE, "no limits");
    memcpy(&limits, in, sizeof limits);
    RJ_TRY(rj_image_decode(in + sizeof limits, n - sizeof limits, &limits, &image));
    bytes = (size_t)image.w * (size_t)image.h * 3;
    RJ_REQUIRE(bytes <= room, RIJ_E_IMAGE, "%d x %d pixels are too many", image.w,
               image.h);
    memcpy(out, image.rgb, bytes);
    *used = bytes;
    number[0] = image.w;
    number[1] = image.h;
    return RIJ_OK;
}

rij_status rj_isolate_new(rj_cage **cage)
{
    const rj_cage_limits limits = {
        .memory = memory,
        .out = (size_t)rj_default_limits.pixels * 3,
        .cpu_s = WORK_S,
        .wall_s = WAIT_S,
    };

    return rj_cage_new(decode, &limits, cage);
}

rij_status rj_isolate_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                             rj_image *out)
{
    rj_limits inside = *limits;
    rj_caged_result made;
    uint8_t *in;
    rij_status status;

    RJ_REQUIRE(n <= limits->bytes, RIJ_E_IMAGE,
               "%zu bytes are more than the limit of %zu", n, limits->bytes);
    in = rj_alloc(n + sizeof inside, 1);
    RJ_REQUIRE(in, RIJ_E_MEMORY, "isolate: no memory for %zu bytes", n);
    inside.cage = NULL;
    memcpy(in, &inside, sizeof inside);
    memcpy(in + sizeof inside, bytes, n);
    status = rj_cage_run(limits->cage, in, n + sizeof inside, &made);
    rj_free(in);
    RJ_TRY(status);
    status = rj_limits_check(limits, made.number[0], made.number[1]);
    if (status == RIJ_OK && made.n != (size_t)made.number[0] * (size_t)made.number[1] * 3)
        status = rj_fail(RIJ_E_IMAGE, "the decoder answers nonsense");
    if (status != RIJ_OK) {
        rj_free(made.bytes);
        return status;
    }
    *out = (rj_image){made.number[0], made.number[1], made.bytes};
    return RIJ_OK;
}
