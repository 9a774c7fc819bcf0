/* Batches: what is in them, and that nothing but (seed, kind, number) decides it. */
#include "data_place.h"

static const rj_view_law usual = {
    .crop = 32,
    .degrade = {.share = 0.5,
                .jpeg_min = 60,
                .jpeg_max = 98,
                .blur_max = 1.2,
                .noise_max = 6,
                .resize_min = 0.6},
    .forged = 0.6,
    .blended = 0.3,
};

typedef struct stage {
    place p;
    rj_dataset d;
    rj_cache *c;
} stage;

static void open_stage(stage *s)
{
    OK(rj_dataset_open(s->p.root, NULL, &s->d));
    OK(rj_cache_new(&s->d, 40000, &s->c)); // not all are kept
}

static void close_stage(stage *s)
{
    rj_cache_free(s->c);
    rj_dataset_free(&s->d);
    ck_assert_int_eq(rj_memory_live(), 0);
    place_free(&s->p);
}

/* Seven reals of several sizes, five fakes, two of them children of 0 and 1. */
static void usual_stage(stage *s)
{
    char name[40];

    *s = (stage){.p = place_new()};
    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof name, "real/r%d.png", i);
        save_picture(&s->p, name, 50 + 10 * (i % 3), 60 - 5 * (i % 4), (uint64_t)i);
    }
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "fake/gan/%c%d.png", i < 2 ? 'r' : 'f', i);
        save_picture(&s->p, name, 50 + 10 * (i % 3), 60 - 5 * (i % 4), (uint64_t)i + 20);
    }
    open_stage(s);
}

/* Hash of all that is in the first n batches. */
static uint64_t hash_of(const stage *s, enum rj_batch_kind kind, uint64_t seed,
                        int workers, int n)
{
    const rj_batch *b;
    double waited_s, worked_s;
    rj_batcher *batcher;
    uint64_t h = 0;

    OK(rj_batcher_new(&s->d, s->c, kind, &usual, 4, kind == RJ_BATCH_REAL ? 3 : 0, seed,
                      0, workers, &batcher));
    for (int t = 0; t < n; t++) {
        OK(rj_batcher_next(batcher, &b));
        ck_assert_int_eq(b->step, t);
        h = rj_hash(b->x, sizeof(float) * (size_t)b->rows * 3 * 32 * 32, h);
        h = rj_hash(b->label, sizeof(rj_real) * (size_t)b->rows, h);
        h = rj_hash(b->pair, sizeof(rj_real) * (size_t)b->rows, h);
        h = rj_hash(b->sample, sizeof(int) * (size_t)b->rows, h);
    }
    rj_batcher_times(batcher, &waited_s, &worked_s);
    ck_assert(worked_s > 0 && waited_s >= (workers ? 0 : worked_s));
    rj_batcher_free(batcher);
    return h;
}

START_TEST(batches_are_the_same_for_any_number_of_workers)
{
    static const int workers[] = {1, 2, 4, 16};
    stage s;

    usual_stage(&s);
    for (int kind = 0; kind < 2; kind++) {
        const enum rj_batch_kind k = (enum rj_batch_kind)kind;
        const uint64_t wanted = hash_of(&s, k, 5, 0, 9);

        for (int i = 0; i < RJ_COUNT(workers); i++)
            ck_assert_uint_eq(hash_of(&s, k, 5, workers[i], 9), wanted);
        ck_assert_uint_ne(hash_of(&s, k, 6, 0, 9), wanted);
    }
    close_stage(&s);
}
END_TEST

START_TEST(batches_may_begin_anywhere)
{
    for (int workers = 0; workers < 4; workers++) {
        const rj_batch *a, *b;
        rj_batcher *from[2];
        stage s;

        usual_stage(&s);
        for (int i = 0; i < 2; i++)
            OK(rj_batcher_new(&s.d, s.c, RJ_BATCH_MIXED, &usual, 4, 0, 5, 7 * i, workers,
                              &from[i]));
        for (int t = 0; t < 7; t++)
            OK(rj_batcher_next(from[0], &a));
        for (int t = 7; t < 12; t++) {
            OK(rj_batcher_next(from[0], &a));
            OK(rj_batcher_next(from[1], &b));
            ck_assert(a->step == t && b->step == t);
            ck_assert_mem_eq(a->x, b->x, sizeof(float) * (size_t)a->rows * 3 * 32 * 32);
        }
        rj_batcher_free(from[0]);
        rj_batcher_free(from[1]);
        close_stage(&s);
    }
}
END_TEST

/* ---- rows ------------------------------------------------------------------------- */

static const float *row(const rj_batch *b, int i)
{
    return b->x + (size_t)i * 3 * (size_t)b->crop * (size_t)b->crop;
}

static bool same_rows(const rj_batch *b, int i, int j)
{
    return memcmp(row(b, i), row(b, j),
                  sizeof(float) * 3 * (size_t)b->crop * (size_t)b->crop) == 0;
}

/* Root of the mean squared difference of two rows, in grey levels. */
static double apart(const rj_batch *b, int i, int j)
{
    const int n = 3 * b->crop * b->crop;
    double sum = 0;

    for (int k = 0; k < n; k++) {
        const double d = 127.5 * (double)(row(b, i)[k] - row(b, j)[k]);
        sum += d * d;
    }
    return sqrt(sum / n);
}

START_TEST(rows_say_what_they_are)
{
    stage s;

    usual_stage(&s);
    for (int kind = 0; kind < 2; kind++) {
        const int broken = kind == RJ_BATCH_REAL ? 7 : 0, reals = kind ? 2 : 4;
        const rj_batch *b;
        rj_batcher *batcher;
        int same = 0;

        OK(rj_batcher_new(&s.d, s.c, (enum rj_batch_kind)kind, &usual, 4, broken, 1, 0, 1,
                          &batcher));
        for (int t = 0; t < 20; t++) {
            OK(rj_batcher_next(batcher, &b));
            ck_assert_int_eq(b->rows, 8 + broken);
            ck_assert_int_eq(b->crop, 32);
            for (int i = 0; i < b->rows; i++) {
                const int label = i >= 8 ? 2 : i % 4 >= reals;

                ck_assert_int_eq((int)b->label[i], label);
                ck_assert_int_eq((int)b->pair[i], i >= 8 ? -1 : (i + 4) % 8);
                if (label == 0)
                    ck_assert_int_ge(b->sample[i], 0);
                if (label == 2)
                    ck_assert_int_eq(b->sample[i], -1);
                if (b->sample[i] >= 0)
                    ck_assert_int_eq(s.d.sample[b->sample[i]].label, label);
                if (i < 4) {
                    ck_assert_int_eq(b->sample[i], b->sample[i + 4]);
                    same += same_rows(b, i, i + 4);
                }
                for (int k = 0; k < 3 * 32 * 32; k++)
                    ck_assert(row(b, i)[k] >= -1 && row(b, i)[k] <= 1);
            }
        }
        ck_assert_int_le(same, 3); // of 80: views are drawn one by one
        rj_batcher_free(batcher);
    }
    close_stage(&s);
}
END_TEST

START_TEST(epoch_takes_each_usable_image_once)
{
    stage s;
    const rj_batch *b;
    rj_batcher *batcher;
    int orders = 0, last[5] = {0};

    usual_stage(&s);
    s.d.sample[7].validation = true; // the fakes come first
    s.d.sample[10].usable = false;
    OK(rj_batcher_new(&s.d, s.c, RJ_BATCH_REAL, &usual, 1, 0, 2, 0, 2, &batcher));
    for (int epoch = 0; epoch < 6; epoch++) {
        int seen[12] = {0}, order[5];

        for (int i = 0; i < 5; i++) {
            OK(rj_batcher_next(batcher, &b));
            order[i] = b->sample[0];
            seen[b->sample[0]]++;
        }
        for (int i = 0; i < s.d.n; i++)
            ck_assert_int_eq(seen[i], s.d.sample[i].label == RJ_REAL_LABEL &&
                                          s.d.sample[i].usable &&
                                          !s.d.sample[i].validation);
        orders += memcmp(order, last, sizeof order) != 0;
        memcpy(last, order, sizeof order);
    }
    ck_assert_int_ge(orders, 5);
    rj_batcher_free(batcher);
    close_stage(&s);
}
END_TEST

/* A stored child that equals its parent shows whether both are cut, flipped and degraded
 * alike. */
START_TEST(pair_shares_window_flip_and_degradation)
{
    stage s = {.p = place_new()};
    rj_view_law law = usual;
    const rj_batch *b;
    rj_batcher *batcher;

    for (int i = 0; i < 3; i++) {
        char name[40];

        snprintf(name, sizeof name, "real/%d.png", i);
        save_picture(&s.p, name, 70, 90, (uint64_t)i);
        snprintf(name, sizeof name, "fake/twin/%d.png", i);
        save_picture(&s.p, name, 70, 90, (uint64_t)i);
    }
    open_stage(&s);
    law.forged = 1;
    law.blended = 0;
    law.degrade.share = 0.8;
    OK(rj_batcher_new(&s.d, s.c, RJ_BATCH_MIXED, &law, 4, 0, 3, 0, 1, &batcher));
    for (int t = 0; t < 30; t++) {
        OK(rj_batcher_next(batcher, &b));
        for (int v = 0; v < 2; v++)
            for (int i = 0; i < 2; i++) {
                const int real = 4 * v + i, fake = real + 2;

                ck_assert(same_rows(b, real, fake));
                ck_assert_int_eq(s.d.sample[b->sample[fake]].parent, b->sample[real]);
            }
    }
    rj_batcher_free(batcher);
    close_stage(&s);
}
END_TEST

/* Undegraded, a forged child is near its parent but not the same; blended it is nearer.
 */
START_TEST(forged_child_is_near_its_parent)
{
    double mean[2] = {0};
    stage s = {.p = place_new()};

    save_picture(&s.p, "real/0.png", 70, 90, 0);
    save_picture(&s.p, "real/1.png", 32, 40, 1);
    open_stage(&s);
    for (int blended = 0; blended < 2; blended++) {
        rj_view_law law = usual;
        const rj_batch *b;
        rj_batcher *batcher;

        law.forged = 0; // counts as 1, there being no fakes
        law.degrade.share = 0;
        law.blended = blended;
        OK(rj_batcher_new(&s.d, s.c, RJ_BATCH_MIXED, &law, 4, 0, 4, 0, 0, &batcher));
        for (int t = 0; t < 25; t++) {
            OK(rj_batcher_next(batcher, &b));
            for (int v = 0; v < 2; v++)
                for (int i = 4 * v; i < 4 * v + 2; i++) {
                    ck_assert_int_eq(b->sample[i + 2], -1);
                    ck_assert_double_gt(apart(b, i, i + 2), 0);
                    ck_assert_double_lt(apart(b, i, i + 2), 30);
                    mean[blended] += apart(b, i, i + 2) / 100;
                }
        }
        rj_batcher_free(batcher);
    }
    ck_assert_double_lt(mean[1], 0.8 * mean[0]);
    close_stage(&s);
}
END_TEST

/* Row 2n+i is near real view i, but not the same. */
START_TEST(broken_views_are_of_their_real_views)
{
    stage s;
    rj_view_law law = usual;
    const rj_batch *b;
    rj_batcher *batcher;

    usual_stage(&s);
    law.degrade.share = 0;
    OK(rj_batcher_new(&s.d, s.c, RJ_BATCH_REAL, &law, 4, 8, 4, 0, 0, &batcher));
    for (int t = 0; t < 10; t++) {
        OK(rj_batcher_next(batcher, &b));
        for (int i = 0; i < 8; i++)
            for (int j = 0; j < 8; j++) {
                ck_assert_double_gt(apart(b, 8 + i, j), 0);
                if (i == j)
                    ck_assert_double_lt(apart(b, 8 + i, j), 30);
                else if (b->sample[i] != b->sample[j])
                    ck_assert_double_gt(apart(b, 8 + i, j), apart(b, 8 + i, i));
            }
    }
    rj_batcher_free(batcher);
    close_stage(&s);
}
END_TEST

static bool mirrored_rows(const rj_batch *b, int i, int j)
{
    for (int k = 0; k < 3 * b->crop * b->crop; k++) {
        const int x = k % b->crop;

        if (row(b, i)[k] < row(b, j)[k - x + b->crop - 1 - x] ||
            row(b, i)[k] > row(b, j)[k - x + b->crop - 1 - x])
            return false;
    }
    return true;
}

/* A real and a stored fake of equal pixels, no larger than the crop, have one window: if
 * both are degraded by the same draw, noise included, only their flips may differ. */
START_TEST(both_classes_are_degraded_by_the_same_draws)
{
    stage s = {.p = place_new()};
    rj_view_law law = usual;
    const rj_batch *b;
    rj_batcher *batcher;
    int same = 0;

    save_picture(&s.p, "real/a.png", 40, 40, 9);
    save_picture(&s.p, "fake/gan/b.png", 40, 40, 9);
    open_stage(&s);
    law.forged = 0;
    law.degrade.share = 0.8;
    law.crop = 40;
    OK(rj_batcher_new(&s.d, s.c, RJ_BATCH_MIXED, &law, 2, 0, 5, 0, 1, &batcher));
    for (int t = 0; t < 40; t++) {
        OK(rj_batcher_next(batcher, &b));
        for (int v = 0; v < 2; v++) {
            same += same_rows(b, 2 * v, 2 * v + 1);
            ck_assert(same_rows(b, 2 * v, 2 * v + 1) ||
                      mirrored_rows(b, 2 * v, 2 * v + 1));
        }
    }
    ck_assert_int_gt(same, 20); // of 80: flips are drawn one by one
    ck_assert_int_lt(same, 60);
    rj_batcher_free(batcher);
    close_stage(&s);
}
END_TEST

START_TEST(small_images_are_reflected_out)
{
    stage s = {.p = place_new()};
    const rj_batch *b;
    rj_batcher *batcher;

    save_picture(&s.p, "real/a.png", 9, 11, 1);
    save_picture(&s.p, "fake/gan/b.png", 8, 100, 2);
    open_stage(&s);
    OK(rj_batcher_new(&s.d, s.c, RJ_BATCH_MIXED, &usual, 4, 0, 5, 0, 0, &batcher));
    for (int t = 0; t < 5; t++)
        OK(rj_batcher_next(batcher, &b));
    rj_batcher_free(batcher);
    close_stage(&s);
}
END_TEST

/* ---- failures --------------------------------------------------------------------- */

START_TEST(vanished_file_is_told_by_the_next_batch)
{
    stage s;
    const rj_batch *b;

    usual_stage(&s);
    rj_cache_free(s.c);
    OK(rj_cache_new(&s.d, 0, &s.c));
    ck_assert_int_eq(unlink(in(&s.p, "real/r3.png")), 0);
    for (int workers = 0; workers < 3; workers++) {
        rj_batcher *batcher;
        rij_status status = RIJ_OK;

        OK(rj_batcher_new(&s.d, s.c, RJ_BATCH_REAL, &usual, 2, 0, 6, 0, workers,
                          &batcher));
        for (int t = 0; t < 7 && status == RIJ_OK; t++)
            status = rj_batcher_next(batcher, &b);
        ck_assert_int_eq(status, RIJ_E_FILE);
        ck_assert_ptr_nonnull(strstr(rij_last_error(), "r3.png: No such file"));
        FAILS(rj_batcher_next(batcher, &b), RIJ_E_FILE);
        rj_batcher_free(batcher);
    }
    close_stage(&s);
}
END_TEST

START_TEST(batcher_is_freed_at_any_moment)
{
    stage s;

    usual_stage(&s);
    for (int i = 0; i < 12; i++) {
        const rj_batch *b;
        rj_batcher *batcher;

        OK(rj_batcher_new(&s.d, s.c, RJ_BATCH_REAL, &usual, 6, 0, 7, 0, i % 4, &batcher));
        for (int t = 0; t < i % 3; t++)
            OK(rj_batcher_next(batcher, &b));
        rj_batcher_free(batcher);
    }
    rj_batcher_free(NULL);
    close_stage(&s);
}
END_TEST

START_TEST(wrong_wishes_are_refused)
{
    stage s;
    rj_batcher *b;
    rj_view_law law = usual;

    usual_stage(&s);
#define REFUSED(kind, images, broken, workers)                                           \
    FAILS(rj_batcher_new(&s.d, s.c, kind, &law, images, broken, 1, 0, workers, &b),      \
          RIJ_E_ARGUMENT)
    REFUSED(RJ_BATCH_REAL, 0, 0, 0);
    REFUSED(RJ_BATCH_MIXED, 3, 0, 0);
    REFUSED(RJ_BATCH_REAL, 2, 5, 0);
    REFUSED(RJ_BATCH_REAL, 2, -1, 0);
    REFUSED(RJ_BATCH_REAL, 2, 0, 17);
    REFUSED(RJ_BATCH_REAL, 2, 0, -1);
    REFUSED(RJ_BATCH_REAL, 1 << 30, 0, 0);
    law.crop = 4;
    REFUSED(RJ_BATCH_REAL, 2, 0, 0);
    law = usual;
    law.forged = 1.5;
    REFUSED(RJ_BATCH_MIXED, 2, 0, 0);
    law = usual;
    law.degrade.jpeg_max = 101;
    REFUSED(RJ_BATCH_MIXED, 2, 0, 0);
#undef REFUSED
    for (int i = 0; i < s.d.n; i++)
        s.d.sample[i].validation = true;
    FAILS(rj_batcher_new(&s.d, s.c, RJ_BATCH_REAL, &usual, 2, 0, 1, 0, 0, &b),
          RIJ_E_DATA);
    close_stage(&s);
}
END_TEST

START_TEST(each_allocation_may_fail)
{
    stage s;
    long live;
    rij_status status = RIJ_E_MEMORY;

    usual_stage(&s);
    live = rj_memory_live();
    for (long n = 1; status != RIJ_OK; n++) {
        const rj_batch *b;
        rj_batcher *batcher = NULL;

        rj_memory_fail_at(n);
        status =
            rj_batcher_new(&s.d, s.c, RJ_BATCH_MIXED, &usual, 4, 1, 1, 0, 0, &batcher);
        if (status == RIJ_OK)
            status = rj_batcher_next(batcher, &b);
        rj_memory_fail_at(0);
        ck_assert(status == RIJ_OK ? n > 20 : status == RIJ_E_MEMORY);
        rj_batcher_free(batcher);
        rj_cache_free(s.c); // what it kept by then would hide later allocations
        OK(rj_cache_new(&s.d, 0, &s.c));
        ck_assert_int_le(rj_memory_live(), live);
    }
    close_stage(&s);
}
END_TEST

SUITE(batch, batches_are_the_same_for_any_number_of_workers, batches_may_begin_anywhere,
      rows_say_what_they_are, epoch_takes_each_usable_image_once,
      pair_shares_window_flip_and_degradation, forged_child_is_near_its_parent,
      broken_views_are_of_their_real_views, both_classes_are_degraded_by_the_same_draws,
      small_images_are_reflected_out, vanished_file_is_told_by_the_next_batch,
      batcher_is_freed_at_any_moment, wrong_wishes_are_refused, each_allocation_may_fail)
