/* test_card.c: the model card of a training. */
#include "api_place.h"
#include "judge/judge.h"

START_TEST(a_training_leaves_a_card)
{
    const place p = place_new(10, 3);
    const rij_train_options o = brief();
    rij_model *m = NULL, *back = NULL;
    char text[8192], *calibration;

    OK(rij_train(p.data, &o, &m));
    OK(rij_model_save(m, p.model));
    OK(rij_model_open(p.model, NULL, &back));
    ck_assert_uint_lt(rij_model_describe(back, text, sizeof text), sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "card.data   10 photographs in 10 groups ("));
    ck_assert_ptr_nonnull(strstr(text, "6 generated images in "));
    ck_assert_ptr_nonnull(strstr(text, "card.generators north 3, south 3\n"));
    ck_assert_ptr_nonnull(strstr(text, "card.sources not named 10\n"));
    ck_assert_ptr_nonnull(strstr(text, "card.options encoder small"));
    ck_assert_ptr_nonnull(strstr(text, "traces off"));
    ck_assert_ptr_nonnull(strstr(text, "seed 5\n"));
    ck_assert_ptr_nonnull(strstr(text, "card.validation on "));
    ck_assert_ptr_nonnull(strstr(text, "card.limits "));
    calibration = rj_strdup(rj_st_get(&back->about, "card.calibration"));
    OK(rij_calibrate(back, p.data, NULL));
    ck_assert_str_ne(calibration, rj_st_get(&back->about, "card.calibration"));
    ck_assert_ptr_nonnull(strstr(rj_st_get(&back->about, "card.calibration"),
                                 "10 independent photographs and 3 generated images"));
    rj_free(calibration);
    rij_model_free(m);
    rij_model_free(back);
    place_free(&p);
}
END_TEST

/* Reals alone: no generator is named. */
START_TEST(a_card_tells_what_there_was_not)
{
    const place p = place_new(10, 0);
    const rij_train_options o = brief();
    rij_model *m = NULL;

    OK(rij_train(p.data, &o, &m));
    ck_assert_ptr_nonnull(
        strstr(rj_st_get(&m->about, "card.data"), "fakes were made of the photographs"));
    ck_assert_str_eq(rj_st_get(&m->about, "card.generators"), "none");
    rij_model_free(m);
    place_free(&p);
}
END_TEST

SUITE(card, a_training_leaves_a_card, a_card_tells_what_there_was_not)
