/* rij_forge() writes what its header promises, and refuses what it says it refuses. */
#include "forge_place.h"

/* Made if no families are named. */
enum { USUAL = 9 };

static bool there(const place *p, const char *name)
{
    char path[600];

    snprintf(path, sizeof path, "%s/%s", p->out, name);
    return access(path, F_OK) == 0;
}

static rij_forge_options small_options(const char *families)
{
    rij_forge_options o = RIJ_FORGE_OPTIONS_INIT;

    o.seed = 7;
    o.families = families;
    o.crop = 32;
    o.crops = 3;
    o.steps = 2;
    o.threads = 1;
    return o;
}

START_TEST(forging_writes_every_picture_and_a_manifest)
{
    const place p = three_photos();
    rij_forge_options o = small_options(NULL);
    rj_dataset d;
    char path[600];
    int children[USUAL] = {0};

    o.threads = 2;
    OK(rij_forge(p.photos, p.out, &o));
    snprintf(path, sizeof path, "%s/manifest.tsv", p.out);
    OK(rj_dataset_open(path, NULL, &d));
    ck_assert_int_eq(d.generators, USUAL);
    ck_assert_int_eq(rj_dataset_count(&d, RJ_REAL_LABEL, false), 9);
    ck_assert_int_eq(rj_dataset_count(&d, RJ_FAKE_LABEL, false), 9 * USUAL);
    OK(rj_dataset_hold_out(&d, 0.34, 1));
    for (int i = 0; i < d.n; i++) {
        const rj_sample *s = &d.sample[i];
        rj_image image, parent;

        OK(rj_image_read(s->path, &rj_default_limits, &image));
        ck_assert(image.w == 32 && image.h == 32);
        if (s->label == RJ_FAKE_LABEL) {
            const rj_sample *q = &d.sample[s->parent];

            ck_assert(s->parent >= 0 && q->label == RJ_REAL_LABEL);
            ck_assert(s->group == q->group && s->validation == q->validation);
            OK(rj_image_read(q->path, &rj_default_limits, &parent));
            ck_assert_double_gt(distance(&image, &parent), 0.1);
            children[s->generator]++;
            rj_image_free(&parent);
        }
        rj_image_free(&image);
    }
    for (int k = 0; k < USUAL; k++)
        ck_assert_int_eq(children[k], 9);
    ck_assert_int_gt(rj_dataset_count(&d, RJ_REAL_LABEL, true), 0);
    ck_assert_int_gt(rj_dataset_count(&d, RJ_REAL_LABEL, false), 0);
    rj_dataset_free(&d);
    place_free(&p);
}
END_TEST

START_TEST(forging_repeats_bit_for_bit_for_any_number_of_threads)
{
    const place p = three_photos();
    static const int threads[] = {2, 1, 4};
    char folder[400];
    rj_list first = {0};

    for (int k = 0; k < RJ_COUNT(threads); k++) {
        rij_forge_options o = small_options("deconv,shuffle,fixed-zero");
        rj_list list = {0};

        o.threads = threads[k];
        snprintf(folder, sizeof folder, "%s%d", p.out, k);
        OK(rij_forge(p.photos, folder, &o));
        OK(rj_folder_list(folder, &list));
        ck_assert_int_eq(list.n, 9 * 4 + 1);
        for (int i = 0; k && i < list.n; i++) {
            unsigned char *a, *b;
            size_t na, nb;

            OK(rj_file_read(first.path[i], 1 << 20, &a, &na));
            OK(rj_file_read(list.path[i], 1 << 20, &b, &nb));
            ck_assert_msg(na == nb && memcmp(a, b, na) == 0, "%s", list.path[i]);
            rj_free(a);
            rj_free(b);
        }
        if (k)
            rj_list_free(&list);
        else
            first = list;
    }
    rj_list_free(&first);
    place_free(&p);
}
END_TEST

/* What the callback saw, and when it should say stop. */
typedef struct witness {
    const char *stop; /* phase to stop in, or NULL */
    int64_t step;     /* from this step on */
    int notes, reads, forges;
    int64_t last, last_of;
    char note[4][512];
} witness;

static int watch(const rij_progress *p, void *user)
{
    witness *w = user;

    if (p->note)
        snprintf(w->note[w->notes++ & 3], sizeof w->note[0], "%s", p->note);
    w->reads += strcmp(p->phase, "read") == 0;
    w->forges += strcmp(p->phase, "forge") == 0;
    w->last = p->step;
    w->last_of = p->steps;
    return w->stop && strcmp(w->stop, p->phase) == 0 && p->step >= w->step;
}

START_TEST(unusable_photographs_are_noted_and_left_out)
{
    const place p = three_photos();
    rij_forge_options o = small_options("fixed-median");
    witness w = {0};
    rj_image dead = photo(64, 64, 1);
    char path[600];

    memset(dead.rgb, 50, 64 * 64 * 3);
    save(&p, "d1.png", &dead);
    save_photo(&p, "d2.png", 64, 31, 1);
    snprintf(path, sizeof path, "%s/d3.jpg", p.photos);
    OK(rj_file_write(path, "no image", 8));
    o.progress = watch;
    o.user = &w;
    OK(rij_forge(p.photos, p.out, &o));
    ck_assert_int_eq(w.reads, 6);
    ck_assert_int_eq(w.notes, 3);
    for (int i = 0; i < 3; i++) {
        const char *names[] = {"d1.png: no window", "d2.png: 64 x 31", "d3.jpg"};
        ck_assert_msg(strstr(w.note[i], names[i]) != NULL, "%s", w.note[i]);
    }
    ck_assert_int_eq(w.last, w.last_of);
    ck_assert(there(&p, "real/00008.png") && !there(&p, "real/00009.png"));
    rj_image_free(&dead);
    place_free(&p);
}
END_TEST

START_TEST(the_callback_can_stop_it_in_every_phase)
{
    const place p = three_photos();
    rij_forge_options o = small_options("nearest,fixed-median");
    static const struct {
        const char *phase;
        int64_t step;
    } stop[] = {{"read", 1}, {"read", 3}, {"forge", 0}, {"forge", 10}, {"forge", 15}};

    o.steps = 12;
    o.progress = watch;
    for (int i = 0; i < RJ_COUNT(stop); i++) {
        witness w = {.stop = stop[i].phase, .step = stop[i].step};

        // A manifest from before must not outlive the pictures it speaks of.
        OK(rj_folder_make(p.out));
        save_photo(&p, "../out/manifest.tsv", 8, 8, 1);
        o.user = &w;
        FAILS(rij_forge(p.photos, p.out, &o), RIJ_E_CANCELLED);
        ck_assert_int_eq(w.last, stop[i].step);
        ck_assert(!there(&p, "manifest.tsv"));
    }
    place_free(&p);
}
END_TEST

static void refuse(const rij_forge_options *o, const char *word)
{
    // No such folders: an option is refused before anything is looked at.
    FAILS(rij_forge("/nonexistent/photos", "/nonexistent/out", o), RIJ_E_ARGUMENT);
    ck_assert_msg(strstr(rij_last_error(), word) != NULL, "%s", rij_last_error());
}

START_TEST(options_that_are_not_allowed_are_named)
{
    rij_forge_options o = RIJ_FORGE_OPTIONS_INIT;
    rj_forge_plan plan;

#define REFUSE(field, value)                                                             \
    do {                                                                                 \
        o = (rij_forge_options)RIJ_FORGE_OPTIONS_INIT;                                   \
        o.field = (value);                                                               \
        refuse(&o, #field);                                                              \
    } while (0)
    REFUSE(size, sizeof o - 8);
    REFUSE(threads, -1);
    REFUSE(threads, 257);
    REFUSE(crop, 16);
    REFUSE(crop, 1040);
    REFUSE(crop, 100);
    REFUSE(crops, -1);
    REFUSE(crops, 1001);
    REFUSE(steps, 1);
    REFUSE(steps, -5);
    REFUSE(families, "");
    o.families = "deconv,magan";
    refuse(&o,
           "'magan'; known: all, deconv, nearest, bilinear, shuffle, nearest-vq, gan");
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "fixed-median")); // the last of all
    FAILS(rij_forge(NULL, "out", NULL), RIJ_E_ARGUMENT);
    FAILS(rij_forge("photos", NULL, NULL), RIJ_E_ARGUMENT);

    OK(rj_forge_resolve(NULL, &plan));
    ck_assert(plan.o.crop == 160 && plan.o.crops == 16 && plan.o.steps == 400);
    ck_assert(plan.families == USUAL && plan.steps == 4 * 400);
    o.families = "shuffle, fixed-zero ,shuffle";
    o.steps = 5;
    OK(rj_forge_resolve(&o, &plan));
    ck_assert(plan.families == 2 && plan.steps == 5);
    for (int i = 0; i < RJ_FAMILIES; i++)
        ck_assert_int_eq(plan.wanted[i],
                         strcmp(rj_families[i].name, "shuffle") == 0 ||
                             strcmp(rj_families[i].name, "fixed-zero") == 0);
    o.families = "ddpm,ddim"; // which share a model
    OK(rj_forge_resolve(&o, &plan));
    ck_assert(plan.families == 2 && plan.steps == 5);
    o.families = "all";
    OK(rj_forge_resolve(&o, &plan));
    ck_assert(plan.families == RJ_FAMILIES && plan.steps == 10 * 5);
}
END_TEST

START_TEST(folders_that_cannot_be_used_are_refused)
{
    const place p = place_new();
    rij_forge_options o = small_options("fixed-zero");
    char path[600];

    snprintf(path, sizeof path, "%s/none", p.root);
    FAILS(rij_forge(path, p.out, &o), RIJ_E_FILE);
    FAILS(rij_forge(p.photos, p.out, &o), RIJ_E_DATA);
    save_photo(&p, "a.png", 64, 64, 1);
    snprintf(path, sizeof path, "%s/a.png/out", p.photos);
    FAILS(rij_forge(p.photos, path, &o), RIJ_E_FILE);
    snprintf(path, sizeof path, "%s/out", p.photos);
    FAILS(rij_forge(p.photos, path, &o), RIJ_E_ARGUMENT);
    o.device = "abacus";
    FAILS(rij_forge(p.photos, p.out, &o), RIJ_E_DEVICE);
    place_free(&p);
}
END_TEST

START_TEST(running_out_of_memory_anywhere_is_a_status_and_no_leak)
{
    const place p = place_new();
    rij_forge_options o = small_options("bilinear,fixed-bicubic");
    rij_status status = RIJ_E_MEMORY;
    long n = 0;

    save_photo(&p, "a.png", 40, 40, 1);
    o.threads = 1;
    // Every early allocation, then samples: the later ones are the same few again.
    while (status == RIJ_E_MEMORY) {
        const long live = rj_memory_live();

        n += n < 150 ? 1 : 17;
        rj_memory_fail_at(n);
        status = rij_forge(p.photos, p.out, &o);
        rj_memory_fail_at(0);
        ck_assert_int_eq(rj_memory_live(), live);
        ck_assert_int_eq(there(&p, "manifest.tsv"), status == RIJ_OK);
    }
    OK(status);
    ck_assert_int_gt(n, 30);
    place_free(&p);
}
END_TEST

SUITE(forge, forging_writes_every_picture_and_a_manifest,
      forging_repeats_bit_for_bit_for_any_number_of_threads,
      unusable_photographs_are_noted_and_left_out,
      the_callback_can_stop_it_in_every_phase, options_that_are_not_allowed_are_named,
      folders_that_cannot_be_used_are_refused,
      running_out_of_memory_anywhere_is_a_status_and_no_leak)
