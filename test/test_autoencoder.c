/* Auto-encoders and the parents they learn from. */
#include "forge_place.h"

typedef struct losses {
    double x[64];
    int n;
} losses;

static rij_status keep_loss(void *user, double rate, double loss, int images)
{
    losses *l = user;

    ck_assert_double_ge(rate, 0);
    ck_assert_int_gt(images, 0);
    l->x[l->n++] = loss;
    return RIJ_OK;
}

static double mean(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum / n;
}

START_TEST(every_auto_encoder_learns_and_keeps_the_shape)
{
    const rj_image picture[3] = {photo(48, 16, 1), photo(48, 16, 2), photo(48, 16, 3)};
    const rj_image *parent[3] = {&picture[0], &picture[1], &picture[2]};
    rj_image child[3];
    rj_pool *pool;
    rj_device *dev;
    rj_tape tape = {0};

    OK(rj_pool_new(1, &pool)); // one: quick on a busy machine too
    OK(rj_device_open("cpu", pool, &dev));
    tape.dev = dev;
    for (int k = 0; k < RJ_DECODERS * RJ_VARIANTS; k++) {
        const rj_autoencoder_config config =
            rj_autoencoder_variant((enum rj_decoder)(k / 2), k % 2);
        losses l = {.n = 0};
        rj_autoencoder *a;

        OK(rj_autoencoder_new(dev, &config, 3, &a));
        OK(rj_autoencoder_train(a,
                                &(rj_lesson){&tape, picture, 3, 25, 5, keep_loss, &l}));
        ck_assert_int_eq(l.n, 25);
        ck_assert_msg(mean(l.x + 20, 5) < 0.8 * mean(l.x, 5), "%s %d: %g, then %g",
                      rj_decoder_names[k / 2], config.levels, mean(l.x, 5),
                      mean(l.x + 20, 5));
        OK(rj_network_apply(rj_autoencoder_run, a, &tape, 8, parent, 3, child));
        for (int i = 0; i < 3; i++) {
            // Like its parent, and not the parent itself.
            const double d = distance(&child[i], parent[i]);
            ck_assert_double_gt(d, 0.1);
            ck_assert_double_lt(d, 30);
            rj_image_free(&child[i]);
        }
        ck_assert(!tape.frozen);
        rj_autoencoder_free(a);
    }
    for (int i = 0; i < 3; i++)
        rj_image_free((rj_image *)parent[i]);
    rj_tape_free(&tape);
    rj_device_close(dev);
    rj_pool_free(pool);
}
END_TEST

START_TEST(every_auto_encoder_starts_as_a_plain_resampler)
{
    // A slope is halved and interpolated back exactly, away from the borders.
    rj_image slope = photo(64, 48, 1), child;
    const rj_image *parent = &slope;
    rj_tape tape = {0};
    rj_pool *pool;

    for (int i = 0; i < 64 * 48 * 3; i++)
        slope.rgb[i] = (uint8_t)(20 + 2 * (i / 3 % 64) + i / 3 / 64 + 10 * (i % 3));
    OK(rj_pool_new(1, &pool));
    OK(rj_device_open("cpu", pool, &tape.dev));
    for (int k = 0; k < RJ_DECODERS * RJ_VARIANTS; k++) {
        const rj_autoencoder_config config =
            rj_autoencoder_variant((enum rj_decoder)(k / 2), k % 2);
        rj_autoencoder *a;

        OK(rj_autoencoder_new(tape.dev, &config, (uint64_t)k, &a));
        OK(rj_network_apply(rj_autoencoder_run, a, &tape, 8, &parent, 1, &child));
        for (int i = 0; i < 64 * 48 * 3; i++) {
            const int x = i / 3 % 64, y = i / 3 / 64;

            if (x >= 8 && x < 56 && y >= 8 && y < 40)
                ck_assert_msg(abs(child.rgb[i] - slope.rgb[i]) <= 1, "%s %d: %d, not %d",
                              rj_decoder_names[k / 2], config.levels, child.rgb[i],
                              slope.rgb[i]);
        }
        rj_image_free(&child);
        rj_autoencoder_free(a);
    }
    rj_image_free(&slope);
    rj_tape_free(&tape);
    rj_device_close(tape.dev);
    rj_pool_free(pool);
}
END_TEST

START_TEST(a_loss_that_is_no_number_stops_the_training)
{
    const rj_autoencoder_config config = rj_autoencoder_variant(RJ_DECODER_DECONV, 0);
    rj_autoencoder_config bad = config;
    rj_image picture = photo(32, 32, 1), narrow = photo(32, 12, 1);
    const rj_real none_at_all[3] = {(rj_real)NAN, (rj_real)NAN, (rj_real)NAN};
    rj_autoencoder *a, *none = NULL;
    rj_tape tape = {0};
    rj_params *params;
    rj_pool *pool;
    int last;

    OK(rj_pool_new(1, &pool));
    OK(rj_device_open("cpu", pool, &tape.dev));
    OK(rj_autoencoder_new(tape.dev, &config, 3, &a));
    params = rj_autoencoder_params(a);
    last = rj_params_find(params, "decoder.last.bias"); // no relu behind it
    ck_assert_int_ge(last, 0);
    OK(rj_upload(tape.dev, params->p[last].t.x, none_at_all, 3));
    FAILS(rj_autoencoder_train(a, &(rj_lesson){&tape, &picture, 1, 10, 5, NULL, NULL}),
          RIJ_E_DIVERGED);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "step 1"));
    FAILS(rj_autoencoder_train(a, &(rj_lesson){&tape, &narrow, 1, 10, 5, NULL, NULL}),
          RIJ_E_ARGUMENT);
    bad.levels = 3;
    FAILS(rj_autoencoder_new(tape.dev, &bad, 3, &none), RIJ_E_ARGUMENT);
    bad = config;
    bad.latent = 2;
    FAILS(rj_autoencoder_new(tape.dev, &bad, 3, &none), RIJ_E_ARGUMENT);
    ck_assert_ptr_null(none);
    rj_autoencoder_free(a);
    rj_image_free(&picture);
    rj_image_free(&narrow);
    rj_tape_free(&tape);
    rj_device_close(tape.dev);
    rj_pool_free(pool);
}
END_TEST

/* ---- parents ---------------------------------------------------------------------- */

START_TEST(parents_are_native_windows_that_never_overlap)
{
    const place p = place_new();
    rj_image image = photo(150, 130, 1);
    rj_parents parents;

    // Every pixel of this photograph is found once only: its place is written in it.
    for (int i = 0; i < 150 * 130; i++) {
        image.rgb[3 * i] = (uint8_t)(i % 150);
        image.rgb[3 * i + 1] = (uint8_t)(i / 150);
    }
    save(&p, "a.png", &image);
    OK(rj_parents_cut(p.photos, NULL, 32, 99, 1, NULL, NULL, &parents));
    ck_assert_int_eq(parents.n, 16);
    ck_assert_int_eq(parents.names, 1);
    ck_assert_str_eq(parents.name[0], "a.png");
    for (int i = 0; i < parents.n; i++) {
        const uint8_t *a = parents.image[i].rgb;

        for (int k = 0; k < 32 * 32; k++)
            ck_assert_int_eq(a[3 * k + 2],
                             image.rgb[3 * ((a[1] + k / 32) * 150 + a[0] + k % 32) + 2]);
        for (int j = 0; j < i; j++) {
            const uint8_t *b = parents.image[j].rgb;
            ck_assert(abs(a[0] - b[0]) >= 32 || abs(a[1] - b[1]) >= 32);
        }
    }
    rj_parents_free(&parents);
    rj_image_free(&image);
    place_free(&p);
}
END_TEST

START_TEST(flat_windows_wait_and_dead_ones_are_never_taken)
{
    const place p = place_new();
    rj_random r = rj_random_start(1, RJ_STREAM_TEST, 2);
    rj_image image = photo(96, 96, 1);
    rj_parents parents;
    int flat = 0;

    // Top third as it is, middle third with a deviation of about 1, bottom one colour.
    for (int i = 96 * 32 * 3; i < 96 * 96 * 3; i++)
        image.rgb[i] = i < 96 * 64 * 3 ? (uint8_t)(100 + rj_random_below(&r, 4)) : 90;
    save(&p, "a.png", &image);
    OK(rj_parents_cut(p.photos, NULL, 32, 3, 1, NULL, NULL, &parents));
    ck_assert_int_eq(parents.n, 3);
    for (int i = 0; i < 3; i++)
        flat += parents.image[i].rgb[0] >= 100 && parents.image[i].rgb[0] <= 103 &&
                parents.image[i].rgb[4] >= 100 && parents.image[i].rgb[4] <= 103;
    ck_assert_int_eq(flat, 0);
    rj_parents_free(&parents);
    OK(rj_parents_cut(p.photos, NULL, 32, 9, 1, NULL, NULL, &parents));
    ck_assert_int_eq(parents.n, 6);
    rj_parents_free(&parents);
    rj_image_free(&image);
    place_free(&p);
}
END_TEST

SUITE(autoencoder, every_auto_encoder_learns_and_keeps_the_shape,
      every_auto_encoder_starts_as_a_plain_resampler,
      a_loss_that_is_no_number_stops_the_training,
      parents_are_native_windows_that_never_overlap,
      flat_windows_wait_and_dead_ones_are_never_taken)
