/* test_long_run.c: memory does not grow: over 200 epochs of a training that writes
 * checkpoints, over 100,000 predictions (RJ_TRUST=1; else over a tenth and a fiftieth).
 *
 * Measured are the process's resident pages, so what other libraries keep counts as well.
 * Everything that is needed has been taken once by a tenth of the predictions, by a third
 * of the steps, some of which wrote checkpoints; what then comes may be a page of a stack
 * or of the heap's rest, so a bound of 1 MiB: it shows a leak of 12 bytes a prediction,
 * of 3 KiB a step. */
#include "resume_place.h"

enum { MOST_KIB = 1024 };

/* Resident memory; a sanitizer's own is not ours. */
static long resident_kib(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long all = 0, resident = 0;

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%ld %ld", &all, &resident), 2);
    fclose(f);
    return SANITIZED ? 0 : resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void check_growth(const char *what, long from, long to)
{
    if (trust())
        printf("long_run: %s: %ld KiB, then %ld KiB\n", what, from, to);
    ck_assert_msg(to - from <= MOST_KIB, "%s: %ld KiB, then %ld KiB", what, from, to);
}

/* ---- training -----------------------------------------------------------------------
 */

typedef struct watch {
    long early, late; /* at a third of the steps, at the last one */
    int64_t told;
} watch;

static int look(const rij_progress *p, void *user)
{
    watch *w = user;

    if (strcmp(p->phase, "stage 2") != 0)
        return 0;
    if (!w->early && p->step >= p->steps / 3)
        w->early = resident_kib();
    w->late = resident_kib();
    w->told = p->step;
    return 0;
}

/* Six photographs train, two a step: an epoch is three steps. */
START_TEST(two_hundred_epochs_take_no_more_memory_than_the_first)
{
    const place p = place_new(8, 4);
    rij_train_options o = brief();
    rij_model *m = NULL;
    watch w = {0};

    o.encoder = "statistics";
    o.threads = 2;
    o.steps1 = -1;
    o.steps2 = 3 * (trust() ? 200 : 20);
    o.patience = -1;
    o.checkpoint = under(&p, "state");
    o.checkpoint_seconds = 0.01;
    o.progress = look;
    o.user = &w;
    OK(rij_train(p.data, &o, &m));
    ck_assert_int_eq(w.told, o.steps2);
    check_growth("epochs", w.early, w.late);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* ---- predicting ---------------------------------------------------------------------
 */

/* Every tenth from a file, the others from memory, of sides that differ. */
static void predict_many(const place *p, const rij_model *m, int n)
{
    uint8_t *rgb = paint(80, 80, 3, 0);
    const char *file = under(p, "data/real/00.png");
    rij_verdict v;

    for (int i = 0; i < n; i++) {
        const rij_image image = {32 + i % 7, 32 + i % 5, 240, rgb};
        const rij_status status =
            i % 10 ? rij_predict(m, &image, &v) : rij_predict_file(m, file, &v);

        HOLDS(status == RIJ_OK, "%s", rij_last_error());
    }
    free(rgb);
}

START_TEST(a_hundred_thousand_predictions_take_no_more_memory_than_the_first)
{
    const rij_open_options one = {sizeof one, "cpu", 1};
    const int tenth = trust() ? 10000 : 200;
    const place p = place_new(8, 4);
    rij_train_options o = brief();
    rij_model *m = NULL;
    long early;

    o.encoder = "statistics";
    o.steps1 = -1;
    OK(train_and_save(p.data, &o, p.model));
    OK(rij_model_open(p.model, &one, &m));
    predict_many(&p, m, tenth);
    early = resident_kib();
    predict_many(&p, m, 9 * tenth);
    check_growth("predictions", early, resident_kib());
    rij_model_free(m);
    place_free(&p);
}
END_TEST

SUITE(long_run, two_hundred_epochs_take_no_more_memory_than_the_first,
      a_hundred_thousand_predictions_take_no_more_memory_than_the_first)
