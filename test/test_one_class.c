/* Training on photographs alone: no generated image is looked at, what is soft is told
 * from what is not, and a distance goes through a model file like all else. */
#include "api_place.h"
#include "like.h"
#include "model/model.h"
#include <math.h>

enum { PHOTOGRAPHS = 24, FAKES = 8, SIDE = 64 };

/* Photographs of this world are white noise on a slope; its generator's images are made
 * of a quarter of the pixels. */
static uint8_t *picture(unsigned number, bool generated)
{
    uint8_t *rgb = paint(SIDE, SIDE, number, 0);

    for (int i = 0; generated && i < SIDE * SIDE * 3; i++) {
        const int c = i % 3, x = i / 3 % SIDE, y = i / 3 / SIDE;

        rgb[i] = rgb[((y / 2 * 2) * SIDE + x / 2 * 2) * 3 + c];
    }
    return rgb;
}

static void write_one(const place *p, const char *name, unsigned number, bool generated)
{
    uint8_t *rgb = picture(number, generated);

    write_png(under(p, name), SIDE, SIDE, rgb);
    free(rgb);
}

/* data.tsv lists photographs and fakes: one is no image, the others are not there at all.
 * reals.tsv lists the photographs, all.tsv those and fakes that are there. */
static place world_new(void)
{
    const place p = place_new(0, 0);
    char all[8192] = "path\tlabel\tgenerator\n", data[8192], line[100], name[40];
    char reals[4096];

    for (int i = 0; i < PHOTOGRAPHS; i++) {
        snprintf(name, sizeof name, "r%02d.png", i);
        write_one(&p, name, (unsigned)i, false);
        snprintf(line, sizeof line, "%s\treal\t\n", name);
        strcat(all, line);
    }
    strcpy(reals, all);
    strcpy(data, all);
    for (int i = 0; i < FAKES; i++) {
        snprintf(name, sizeof name, "f%02d.png", i);
        write_one(&p, name, (unsigned)(100 + i), true);
        snprintf(line, sizeof line, "%s\tfake\tnorth\n", name);
        strcat(all, line);
        snprintf(line, sizeof line, "none%02d.png\tfake\tsouth\n", i);
        strcat(data, line);
    }
    strcat(data, "garbage.png\tfake\twest\n");
    write_text(under(&p, "garbage.png"), "no image at all");
    write_text(under(&p, "all.tsv"), all);
    write_text(under(&p, "data.tsv"), data);
    write_text(under(&p, "reals.tsv"), reals);
    return p;
}

static rij_train_options alone(void)
{
    rij_train_options o = brief();

    o.one_class = 1;
    o.encoder = "statistics";
    o.embedding = 8;
    o.steps1 = -1;
    return o;
}

/* The file that a training gives; freed by rj_free(). */
static unsigned char *file_of(const place *p, const char *data,
                              const rij_train_options *o, size_t *n)
{
    unsigned char *file;
    rij_model *m;

    OK(rij_train(under(p, data), o, &m));
    OK(rij_model_save(m, p->model));
    rij_model_free(m);
    OK(rj_file_read(p->model, 64 << 20, &file, n));
    return file;
}

/* Notes, less those of the audit, which saw the photographs. */
static int count_notes(const rij_progress *progress, void *user)
{
    *(int *)user += progress->note != NULL && strcmp(progress->phase, "audit") != 0;
    return 0;
}

START_TEST(no_generated_image_is_read)
{
    const place p = world_new();
    rij_train_options o = alone();
    unsigned char *with, *without;
    size_t n, m;
    int notes = 0;

    o.progress = count_notes;
    o.user = &notes;
    with = file_of(&p, "data.tsv", &o, &n);
    ck_assert_int_eq(notes, 0);
    without = file_of(&p, "reals.tsv", &o, &m);
    ck_assert(n == m && memcmp(with, without, n) == 0);
    rj_free(with);
    rj_free(without);
    o.one_class = 0; // then they are missed
    FAILS(rij_train(under(&p, "data.tsv"), &o, &(rij_model *){NULL}), RIJ_E_DATA);
    ck_assert_int_gt(notes, 0);
    place_free(&p);
}
END_TEST

START_TEST(threads_change_no_bit)
{
    const place p = world_new();
    unsigned char *first = NULL;
    size_t n = 0;

    for (int threads = 1; threads <= 4; threads *= 2) {
        rij_train_options o = alone();
        unsigned char *file;
        size_t m;

        o.threads = threads;
        file = file_of(&p, "reals.tsv", &o, &m);
        ck_assert(!first || (n == m && memcmp(first, file, n) == 0));
        rj_free(first);
        first = file;
        n = m;
    }
    rj_free(first);
    place_free(&p);
}
END_TEST

/* Without a step of a network that could have learned anything. */
START_TEST(a_world_of_its_own_is_told)
{
    const place p = world_new();
    rij_train_options o = alone();
    rij_evaluation *e;
    rij_evaluation_row row;
    rij_model *m;

    o.decide = "distance";
    o.degraded = -1;
    OK(rij_train(under(&p, "reals.tsv"), &o, &m));
    OK(rij_evaluate(m, under(&p, "all.tsv"), NULL, &e));
    OK(rij_evaluation_row_at(e, 0, &row));
    ck_assert_msg(row.auc > 0.99, "AUC %g", row.auc);
    ck_assert_msg(row.racc > 0.7 && row.facc > 0.9, "%g of reals, %g of fakes are right",
                  row.racc, row.facc);
    rij_evaluation_free(e);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* Margin 0 is the 5 % quantile, of the very views that are counted. */
START_TEST(the_threshold_is_of_photographs)
{
    static const char *const by[] = {"classifier", "distance", "joint"};
    const place p = world_new();

    for (int i = 0; i < RJ_COUNT(by); i++) {
        rij_train_options o = alone();
        rij_model *m;
        rij_verdict v;
        rij_image image = {SIDE, SIDE, (size_t)3 * SIDE, picture(500, false)};

        o.decide = by[i];
        OK(rij_train(under(&p, "reals.tsv"), &o, &m));
        ck_assert(m->decision.alarm[RJ_ALARM5] == 0 && m->decision.a > 0);
        ck_assert(m->decision.alarm[RJ_ALARM1] >= 0);
        ck_assert((m->distance != NULL) == (i > 0));
        OK(rij_predict(m, &image, &v));
        ck_assert(isfinite(v.margin) && v.p_real > 0 && v.p_generated > 0);
        free((void *)image.rgb);
        rij_model_free(m);
    }
    place_free(&p);
}
END_TEST

START_TEST(what_cannot_be_one_class_is_refused)
{
    const place p = world_new();
    rij_train_options o = alone();
    rij_model *m = NULL;

    o.shuffle_labels = 1;
    FAILS(rij_train(under(&p, "reals.tsv"), &o, &m), RIJ_E_ARGUMENT);
    o = alone();
    o.min_images = PHOTOGRAPHS + 1;
    FAILS(rij_train(under(&p, "data.tsv"), &o, &m), RIJ_E_DATA);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "24 usable real images"));
    o = alone();
    o.decide = "nearness";
    FAILS(rij_train(under(&p, "reals.tsv"), &o, &m), RIJ_E_ARGUMENT);
    o = alone();
    o.one_class = 2;
    FAILS(rij_train(under(&p, "reals.tsv"), &o, &m), RIJ_E_ARGUMENT);
    ck_assert_ptr_null(m);
    place_free(&p);
}
END_TEST

/* Any encoder, and generated images beside the photographs: `decide` stands alone. */
START_TEST(a_distance_needs_no_one_class)
{
    const place p = place_new(8, 4);
    rij_train_options o = brief();
    rij_model *m;
    rij_verdict v;

    o.decide = "joint";
    OK(rij_train(p.data, &o, &m));
    ck_assert_int_eq(rj_net_seen(m->net), rj_net_features(m->net));
    OK(rij_predict_file(m, under(&p, "data/real/00.png"), &v));
    ck_assert(
        fabs(v.margin -
             (m->decision.a * (v.classifier + m->decision.kappa *
                                                  (v.proximity - m->decision.prox_mean) /
                                                  m->decision.prox_deviation) +
              m->decision.b)) < 1e-9 * (1 + fabs(v.margin)));
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* ---- the file ---------------------------------------------------------------------- */

static rij_verdict judged(const place *p, const char *device)
{
    const rij_open_options o = {sizeof o, device, 1, NULL};
    rij_model *m;
    rij_verdict v;

    OK(rij_model_open(p->model, &o, &m));
    OK(rij_predict_file(m, under(p, "f00.png"), &v));
    rij_model_free(m);
    return v;
}

static rij_model *distant(const place *p)
{
    rij_train_options o = alone();
    rij_model *m;

    OK(rij_train(under(p, "reals.tsv"), &o, &m));
    OK(rij_model_save(m, p->model));
    return m;
}

START_TEST(a_distance_survives_its_file_on_any_device)
{
    const place p = world_new();
    rij_model *m = distant(&p);
    const char *const devices[] = {"cpu", "ref", tested_device()};
    rij_verdict v, back;
    char text[4096];

    OK(rij_predict_file(m, under(&p, "f00.png"), &v));
    back = judged(&p, "cpu");
    if (sizeof(rj_real) == sizeof(float)) // a file holds floats
        ck_assert(back.margin == v.margin && back.proximity == v.proximity);
    for (int i = 0; i < RJ_COUNT(devices); i++) {
        back = judged(&p, devices[i]);
        ck_assert_msg(fabs(back.proximity - v.proximity) < 1e-3 * (1 + fabs(v.proximity)),
                      "%s: %g, not %g", devices[i], back.proximity, v.proximity);
    }
    rij_model_describe(m, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "decision    joint"));
    ck_assert_ptr_nonnull(strstr(text, "S_dist"));
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* What is measured is of the encoder of statistics, which no step has a part in. */
START_TEST(a_direction_agrees_with_the_reference)
{
    const place p = world_new();
    rij_train_options o = alone();
    rij_model *ref, *there;

    o.steps2 = 1;
    o.device = "ref";
    OK(rij_train(under(&p, "reals.tsv"), &o, &ref));
    o.device = tested_device();
    OK(rij_train(under(&p, "reals.tsv"), &o, &there));
    for (int i = 0; i < 2 * rj_net_seen(ref->net); i++) {
        const double a = (double)ref->distance[i], b = (double)there->distance[i];
        HOLDS(fabs(a - b) < 1e-3, "%d: %g, not %g", i, b, a);
    }
    rij_model_free(ref);
    rij_model_free(there);
    place_free(&p);
}
END_TEST

static void refused(const rij_model *m, const char *words)
{
    rij_model *back = NULL;
    rj_st_file f = {0};

    OK(rj_model_to_file(m, &f));
    FAILS(rj_model_from_file(&f, "cpu", 1, &back), RIJ_E_MODEL);
    ck_assert_msg(strstr(rij_last_error(), words), "%s", rij_last_error());
    ck_assert_ptr_null(back);
    rj_st_free(&f);
}

START_TEST(distances_that_do_not_fit_are_refused)
{
    const place p = world_new();
    rij_model *m = distant(&p), *back = NULL;
    float *distance = m->distance;
    rj_st_file f = {0};

    m->distance = NULL;
    refused(m, "no tensor 'distance'");
    m->distance = distance;
    m->decision.by = RJ_DECIDE_CLASSIFIER;
    refused(m, "a tensor 'distance'");
    m->decision.by = RJ_DECIDE_DISTANCE;
    m->decision.prox_mean = 2e9;
    refused(m, "prox_mean");
    m->decision.prox_mean = 5; // of a proximity that would be too much
    OK(rj_model_to_file(m, &f));
    OK(rj_model_from_file(&f, "cpu", 1, &back));
    rij_model_free(back);
    for (int i = 0; i < f.tensors; i++)
        if (strcmp(f.tensor[i].name, "distance") == 0)
            f.tensor[i].shape.dim[1] = 32;
    FAILS(rj_model_from_file(&f, "cpu", 1, &back), RIJ_E_MODEL);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "two rows of 48"));
    rj_st_free(&f);
    distance[3] = NAN;
    FAILS(rj_model_to_file(m, &f), RIJ_E_ARGUMENT);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* Of a training some allocations, of opening each one. */
START_TEST(failing_allocations_are_survived)
{
    const char *faults = getenv("RJ_FAULTS");
    const long stride = faults && strcmp(faults, "all") == 0 ? 1 : 97;
    const place p = world_new();
    rij_train_options o = alone();
    const rij_open_options open = {sizeof open, "cpu", 1, NULL};
    const long live = rj_memory_live();

    o.steps2 = 1;
    for (int opening = 0; opening < 2; opening++) {
        long made = 1;

        for (long n = 1; n <= made; n += opening ? 1 : stride) {
            rij_model *m = NULL;
            rij_status status;

            rj_memory_fail_at(n);
            status = opening ? rij_model_open(p.model, &open, &m)
                             : rij_train(under(&p, "data.tsv"), &o, &m);
            made = rj_memory_fail_at(0);
            ck_assert_msg(status == RIJ_OK || status == RIJ_E_MEMORY, "%ld of %ld: %s", n,
                          made, rij_last_error());
            ck_assert((status == RIJ_OK) == (m != NULL));
            rij_model_free(m);
            ck_assert_int_eq(rj_memory_live(), live);
        }
        if (!opening)
            rij_model_free(distant(&p));
    }
    place_free(&p);
}
END_TEST

SUITE(one_class, no_generated_image_is_read, threads_change_no_bit,
      a_world_of_its_own_is_told, the_threshold_is_of_photographs,
      what_cannot_be_one_class_is_refused, a_distance_needs_no_one_class,
      a_distance_survives_its_file_on_any_device, a_direction_agrees_with_the_reference,
      distances_that_do_not_fit_are_refused, failing_allocations_are_survived)
