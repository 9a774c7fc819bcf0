/* The orientation of a JPEG: obeyed where it is told, and no lie is believed. */
#include "image_files.h"

static int brightness(const rj_image *image, int corner) // 0 1 in the first row, 2 3 last
{
    const int x = corner % 2 ? image->w - 3 : 2, y = corner / 2 ? image->h - 3 : 2;

    return image->rgb[3 * (y * image->w + x)];
}

/* Where the standard's table puts the first pixel and the end of the first row. */
START_TEST(exif_orientation_turns_the_picture_upright)
{
    enum { LEFT_TOP, RIGHT_TOP, LEFT_BOTTOM, RIGHT_BOTTOM, W = 48, H = 32 };
    const int first[] = {LEFT_TOP, RIGHT_TOP, RIGHT_BOTTOM, LEFT_BOTTOM,
                         LEFT_TOP, RIGHT_TOP, RIGHT_BOTTOM, LEFT_BOTTOM};
    const int row_end[] = {RIGHT_TOP,   LEFT_TOP,     LEFT_BOTTOM, RIGHT_BOTTOM,
                           LEFT_BOTTOM, RIGHT_BOTTOM, RIGHT_TOP,   LEFT_TOP};
    uint8_t grey[W * H];
    file plain;

    for (int i = 0; i < W * H; i++) // 20 80 / 140 200 in the quarters
        grey[i] = (uint8_t)(20 + (i % W >= W / 2 ? 60 : 0) + (i / W >= H / 2 ? 120 : 0));
    plain = jpeg_file(W, H, grey, TJPF_GRAY, TJSAMP_GRAY);
    for (int k = 0; k < 16; k++) {
        const int orientation = k / 2 + 1;
        uint8_t segment[EXIF_SEGMENT];
        rj_image read;
        file f;

        exif_segment(orientation, k % 2, segment);
        f = with_segment(&plain, segment, sizeof segment);
        ck_assert_int_eq(rj_exif_orientation(f.bytes, f.n), orientation);
        OK(rj_image_decode(f.bytes, f.n, &rj_default_limits, &read));
        ck_assert(read.w == (orientation < 5 ? W : H) && read.h == W + H - read.w);
        ck_assert_int_lt(abs(brightness(&read, first[orientation - 1]) - 20), 8);
        ck_assert_int_lt(abs(brightness(&read, row_end[orientation - 1]) - 80), 8);
        rj_image_free(&read);
        file_free(&f);
    }
    file_free(&plain);
}
END_TEST

START_TEST(exif_that_lies_counts_as_upright)
{
    const struct {
        int at, value;
    } lies[] = {
        {2, 0xff},  // the segment goes on far behind the file
        {3, 1},     // it is shorter than its own length
        {3, 9},     // it ends within "Exif"
        {4, 'e'},   // another kind of APP1
        {10, 'X'},  // no byte order
        {13, 43},   // not a TIFF
        {14, 0xff}, // the list begins far outside
        {17, 44},   // it begins where the segment ends
        {19, 1},    // its second entry does not count
        {33, 0x13}, // another tag
        {35, 4},    // a LONG
        {39, 2},    // two values
        {41, 0},    {41, 9}, {40, 1},
    };
    uint8_t segment[EXIF_SEGMENT], head[EXIF_SEGMENT + 4] = {0xff, 0xd8};

    for (int i = 0; i < RJ_COUNT(lies); i++) {
        exif_segment(6, false, segment);
        ck_assert_int_ne(segment[lies[i].at], lies[i].value);
        segment[lies[i].at] = (uint8_t)lies[i].value;
        memcpy(head + 2, segment, sizeof segment);
        head[EXIF_SEGMENT + 2] = 0xff;
        head[EXIF_SEGMENT + 3] = 0xd9;
        ck_assert_msg(rj_exif_orientation(head, sizeof head) == 1, "lie %d", i);
    }
}
END_TEST

/* Any prefix and any change of a byte gives 1..8 and no read outside (sanitizers tell).
 */
START_TEST(exif_of_any_bytes_is_read_within_bounds)
{
    enum { N = EXIF_SEGMENT + 2 };

    for (size_t n = 0; n <= N; n++) {
        uint8_t *head = malloc(n ? n : 1), whole[N] = {0xff, 0xd8};

        ck_assert_ptr_nonnull(head);
        exif_segment(8, true, whole + 2);
        for (int k = 0; k < 256 * N; k += n == N ? 1 : 97) {
            int got;

            memcpy(head, whole, n);
            if (n == N)
                head[k / 256] = (uint8_t)k;
            got = rj_exif_orientation(head, n);
            ck_assert(got >= 1 && got <= 8);
        }
        free(head);
    }
}
END_TEST

SUITE(exif, exif_orientation_turns_the_picture_upright, exif_that_lies_counts_as_upright,
      exif_of_any_bytes_is_read_within_bounds)
