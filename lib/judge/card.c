/* card.c: the model card: what a model was made of, how it did on what was held out, what
 * it is for and what is not promised. Plain sentences, entries card.* of the model file,
 * which rij_model_describe() and the report show. */
#include "judge/judge.h"
#include <string.h>

enum { NAMED = 64 }; /* generators, sources that are told by name */

static const char use_text[] =
    "Evidence of whether an image was made by a generator, for a person who weighs it "
    "with other evidence and has measured the model on images like those at hand. Not "
    "proof, and not the only ground for a decision about anybody.";
static const char limits_text[] =
    "All figures above are of images from the sources and generators that trained, kept "
    "out by group, and the threshold and the scale of the score were fitted to them; "
    "other generators, photographs of other sources, heavy compression, "
    "resizing, retouching and screenshots were not measured here, and nothing is "
    "promised "
    "for them. Answers keep their level for photographs like those of the calibration "
    "only. Neither the content of a picture, its metadata nor its file format is judged.";

static rij_status keep(rij_model *m, const char *key, rj_text *t)
{
    rij_status status = rj_text_done(t);

    if (status == RIJ_OK)
        status = rj_st_set(&m->about, key, t->bytes ? t->bytes : "none");
    rj_text_free(t);
    return status;
}

/* ---- data ------------------------------------------------------------------------- */

static int count(const rj_dataset *d, int label)
{
    return rj_dataset_count(d, label, false) + rj_dataset_count(d, label, true);
}

static void say_class(rj_text *t, const rj_dataset *d, int label, int groups)
{
    rj_text_count(t, count(d, label));
    rj_text_put(t, label ? " generated images" : " photographs");
    rj_text_say(t, " in %d %s (", groups, groups == 1 ? "group" : "groups");
    rj_text_count(t, rj_dataset_count(d, label, true));
    rj_text_put(t, " kept for validation)");
}

static rij_status card_data(const rj_trainer *t, rij_model *m)
{
    const rj_dataset *d = &t->data;
    int groups[2];
    rj_text text = {0};

    for (int label = 0; label < 2; label++)
        RJ_TRY(rj_dataset_groups(d, label, &groups[label]));
    say_class(&text, d, RJ_REAL_LABEL, groups[0]);
    if (count(d, RJ_FAKE_LABEL)) {
        rj_text_put(&text, ", ");
        say_class(&text, d, RJ_FAKE_LABEL, groups[1]);
    } else {
        rj_text_put(&text, ", no generated images: fakes were made of the photographs");
    }
    if (t->o.shuffle_labels)
        rj_text_put(&text, "; labels were shuffled: this model must be at chance");
    return keep(m, "card.data", &text);
}

/* Names with their counts, in order; the first NAMED of them. names[] is sorted by it. */
static void say_names(rj_text *t, rj_name *names, int n)
{
    int told = 0, left = 0;

    rj_names_sort(names, n);
    for (int i = 0, same; i < n; i += same) {
        for (same = 1; i + same < n && strcmp(names[i].text, names[i + same].text) == 0;)
            same++;
        if (told == NAMED) {
            left++;
            continue;
        }
        rj_text_put(t, told++ ? ", " : "");
        rj_text_line(t, names[i].text[0] ? names[i].text : "not named");
        rj_text_put(t, " ");
        rj_text_count(t, same);
    }
    if (left)
        rj_text_say(t, " and %d more", left);
}

/* Photographs by source or generated images by generator. */
static rij_status card_names(const rj_trainer *t, int label, const char *key,
                             rij_model *m)
{
    const rj_dataset *d = &t->data;
    rj_name *names = rj_alloc((size_t)d->n, sizeof *names);
    rj_text text = {0};
    int n = 0;

    RJ_REQUIRE(names, RIJ_E_MEMORY, "card: no memory for %d names", d->n);
    for (int i = 0; i < d->n; i++) {
        const rj_sample *s = &d->sample[i];
        const char *name = s->label ? d->generator[s->generator] : s->source;

        if (s->usable && s->label == label)
            names[n++] = (rj_name){name ? name : "", i};
    }
    say_names(&text, names, n);
    rj_free(names);
    return keep(m, key, &text);
}

/* ---- figures ---------------------------------------------------------------------- */

static rij_status card_validation(const rj_trainer *t, rij_model *m)
{
    int n[2] = {0, 0}, above[2] = {0, 0};
    rj_text text = {0};
    double auc;

    RJ_TRY(rj_metric_auc(t->views, t->cls, t->view_label, NULL, &auc));
    for (int i = 0; i < t->views; i++) {
        n[t->view_label[i]]++;
        above[t->view_label[i]] +=
            rj_decision_margin(&m->decision, t->cls[i], t->prox[i]) > 0;
    }
    rj_text_say(&text, "on %d views, native and degraded, of groups kept out: AUC ",
                t->views);
    rj_text_fixed(&text, auc, 4);
    rj_text_say(
        &text,
        " of the classifier; %d of %d views of photographs and %d of %d of %s lie "
        "above margin 0, which was fitted to them",
        above[0], n[0], above[1], n[1],
        rj_dataset_count(&t->data, RJ_FAKE_LABEL, true) ? "generated images"
                                                        : "remade photographs");
    return keep(m, "card.validation", &text);
}

rij_status rj_card_calibration(rij_model *m, const rj_calibration *c)
{
    const int buckets = rj_calibration_buckets(c);
    rj_text text = {0};
    int groups[2];

    for (int label = 0; label < 2; label++)
        groups[label] = c->n[label] ? c->row[label][c->n[label] - 1].group + 1 : 0;
    rj_text_say(
        &text,
        "%d independent photographs and %d generated images (or photographs remade, "
        "where there were none), as they are and re-shipped in %d ways, in %d "
        "%s of softness; an answer at level 0.05 needs 19 of either in its bucket",
        groups[0], groups[1], RIJ_SHIPPINGS, buckets,
        buckets == 1 ? "bucket" : "buckets");
    return keep(m, "card.calibration", &text);
}

static rij_status card_exemplars(rij_model *m)
{
    rj_text text = {0};

    rj_text_say(&text,
                "%d photographs that were kept out, by the paths that the data gave them "
                "and by embedding; to be near to one says that traces are similar, not "
                "whose a picture is or what it shows",
                m->exemplars.n);
    return keep(m, "card.exemplars", &text);
}

rij_status rj_card_write(const rj_trainer *t, rij_model *m)
{
    rj_text changed = {0};

    RJ_TRY(card_data(t, m));
    RJ_TRY(card_names(t, RJ_FAKE_LABEL, "card.generators", m));
    RJ_TRY(card_names(t, RJ_REAL_LABEL, "card.sources", m));
    rj_options_changed(&t->o, &changed);
    RJ_TRY(keep(m, "card.options", &changed));
    RJ_TRY(card_validation(t, m));
    RJ_TRY(rj_card_calibration(m, &m->calibration));
    if (m->exemplars.n)
        RJ_TRY(card_exemplars(m));
    RJ_TRY(rj_st_set(&m->about, "card.use", use_text));
    return rj_st_set(&m->about, "card.limits", limits_text);
}
