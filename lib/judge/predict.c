/* predict.c: one image, one verdict.
 *
 *     pixels -> native crops that cover them -> network -> S_cls, S_prox of each crop
 *            -> means -> S by the model's decision -> margin = a S + b -> score
 *
 * Nothing is resized: the traces of a generator live in the finest frequencies, which a
 * resampling would move. Cost: a forward pass of at most RJ_COVER_MAX crops, and beside
 * the decoded pixels the activations of a few of them, which stay with the model
 * for the next prediction; so does the encoder made ready (net/ready.c), which all
 * threads share. */
#include "judge/judge.h"
#include <math.h>
#include <string.h>

/* ---- crops ------------------------------------------------------------------------ */

/* Corner i of n along a side. */
static int corner(int i, int n, int side, int crop)
{
    if (side <= crop)
        return 0;
    return n == 1 ? (side - crop) / 2 : (int)((int64_t)i * (side - crop) / (n - 1));
}

int rj_cover(int w, int h, int crop, int most, int x[RJ_COVER_MAX], int y[RJ_COVER_MAX])
{
    int across = (w + crop - 1) / crop, down = (h + crop - 1) / crop;

    while ((int64_t)across * down > most) {
        const bool wide =
            (int64_t)w * down <= (int64_t)h * across; // steps across shorter

        if (down == 1 || (across > 1 && wide))
            across--;
        else
            down--;
    }
    for (int i = 0; i < across * down; i++) {
        x[i] = corner(i % across, across, w, crop);
        y[i] = corner(i / across, down, h, crop);
    }
    return across * down;
}

/* ---- the network ------------------------------------------------------------------ */

/* -max_m z.t_m of n rows z (n,d) and H traces (H,d), as host numbers. */
static void proximity(int n, int d, const rj_real *z, int traces, const rj_real *t,
                      double *prox)
{
    for (int i = 0; i < n; i++) {
        double nearest = -INFINITY;

        for (int m = 0; m < traces; m++) {
            double dot = 0;

            for (int j = 0; j < d; j++)
                dot += (double)z[i * d + j] * (double)t[m * d + j];
            if (!(dot <= nearest)) // a NaN stays
                nearest = dot;
        }
        prox[i] = -nearest;
    }
}

/* z of a batch against the traces; host copies live on the tape. */
static rij_status judge_traces(rj_net *net, const rj_tensor *traces, rj_tape *tape,
                               rj_tensor *features, int n, double *prox)
{
    const int h = traces->shape.dim[0], d = traces->shape.dim[1];
    rj_tensor *z;
    rj_real *host_z, *host_t;

    RJ_TRY(rj_net_project(net, tape, RJ_HEAD_HOM, features, NULL, &z));
    host_z = rj_arena_take(&tape->arena, (size_t)n * (size_t)d, sizeof *host_z);
    host_t = rj_arena_take(&tape->arena, (size_t)h * (size_t)d, sizeof *host_t);
    RJ_REQUIRE(host_z && host_t, RIJ_E_MEMORY, "judge: no memory");
    RJ_TRY(rj_tensor_read(tape->dev, z, host_z));
    RJ_TRY(rj_tensor_read(tape->dev, traces, host_t));
    proximity(n, d, host_z, h, host_t, prox);
    return RIJ_OK;
}

static rij_status judge_batch(const rj_jury *j, rj_tape *tape, int n, const float *planar,
                              double *cls, double *prox)
{
    rj_real host[RJ_JUDGE_BATCH];
    rj_tensor *seen, *features, *logit;

    RJ_TRY(rj_ready_look(j->ready, tape, n, j->crop, planar, &seen, &features));
    RJ_TRY(rj_net_logit(j->net, tape, features, &logit));
    RJ_TRY(rj_tensor_read(tape->dev, logit, host));
    for (int i = 0; i < n; i++) {
        cls[i] = (double)host[i];
        prox[i] = 0;
    }
    if (j->distance)
        RJ_TRY(rj_distances(j->distance, tape, seen, prox));
    else if (j->traces)
        RJ_TRY(judge_traces(j->net, j->traces, tape, features, n, prox));
    for (int i = 0; i < n; i++)
        RJ_REQUIRE(isfinite(cls[i]) && isfinite(prox[i]), RIJ_E_DIVERGED,
                   "judge: the network's output is not a finite number");
    return RIJ_OK;
}

rij_status rj_judge_planar(const rj_jury *j, rj_tape *tape, int n, const float *planar,
                           double *cls, double *prox)
{
    const size_t each = 3 * (size_t)j->crop * (size_t)j->crop;
    rij_status status = RIJ_OK;

    for (int i = 0; i < n && status == RIJ_OK; i += RJ_JUDGE_BATCH) {
        rj_tape_reset(tape);
        status = judge_batch(j, tape, RJ_MIN(n - i, RJ_JUDGE_BATCH),
                             planar + (size_t)i * each, cls + i, prox + i);
    }
    rj_tape_reset(tape);
    return status;
}

/* ---- an image --------------------------------------------------------------------- */

rij_status rj_planar_crop(const rj_image *image, int x, int y, int crop, float *planar)
{
    rj_image window = {0};

    if (image->w >= crop && image->h >= crop) { // nothing to reflect, nothing to copy
        rj_image_planar_of(image, x, y, crop, crop, false, planar);
        return RIJ_OK;
    }
    RJ_TRY(rj_image_crop(image, x, y, crop, crop, &window));
    rj_image_planar(&window, planar);
    rj_image_free(&window);
    return RIJ_OK;
}

static rij_status judge_cover(const rij_model *m, rj_context *c, const rj_image *image,
                              float *planar, rij_verdict *v)
{
    const rj_jury jury = {m->net, m->ready, m->trace, m->crop, m->distance};
    const size_t each = 3 * (size_t)m->crop * (size_t)m->crop;
    int x[RJ_COVER_MAX], y[RJ_COVER_MAX];
    double cls[RJ_JUDGE_BATCH], prox[RJ_JUDGE_BATCH];

    v->crops = rj_cover(image->w, image->h, m->crop, m->most_crops, x, y);
    for (int first = 0; first < v->crops; first += RJ_JUDGE_BATCH) {
        const int n = RJ_MIN(v->crops - first, RJ_JUDGE_BATCH);

        for (int i = 0; i < n; i++)
            RJ_TRY(rj_planar_crop(image, x[first + i], y[first + i], m->crop,
                                  planar + (size_t)i * each));
        RJ_TRY(rj_judge_planar(&jury, &c->tape, n, planar, cls, prox));
        for (int i = 0; i < n; i++) {
            v->classifier += cls[i] / v->crops;
            v->proximity += prox[i] / v->crops;
        }
    }
    return RIJ_OK;
}

rij_status rj_judge_image(const rij_model *m, rj_context *c, const rj_image *image,
                          rij_verdict *verdict)
{
    const size_t each = 3 * (size_t)m->crop * (size_t)m->crop;
    float *planar = rj_alloc(RJ_JUDGE_BATCH * each, sizeof *planar);
    rij_verdict v = {0};
    rij_status status;

    RJ_REQUIRE(planar, RIJ_E_MEMORY, "predict: no memory for crops of %d pixels",
               m->crop);
    status = judge_cover(m, c, image, planar, &v);
    rj_free(planar);
    RJ_REQUIRE(status != RIJ_E_DIVERGED, RIJ_E_MODEL,
               "predict: the model's numbers overflow on this image");
    RJ_TRY(status);
    v.margin = rj_decision_margin(&m->decision, v.classifier, v.proximity);
    v.score = 1 / (1 + exp(-v.margin)); // exp to infinity gives the right 0
    v.generated = v.margin > 0;
    v.width = image->w;
    v.height = image->h;
    RJ_TRY(rj_softness(image, &v.softness));
    v.p_real = v.p_generated = NAN;
    if (m->calibration.n[RJ_REAL_LABEL] > 0) {
        v.p_real =
            rj_conformal_p(&m->calibration, RJ_REAL_LABEL, v.softness, v.margin, NULL);
        v.p_generated =
            rj_conformal_p(&m->calibration, RJ_FAKE_LABEL, v.softness, v.margin, NULL);
    }
    *verdict = v;
    return RIJ_OK;
}

/* Judge with a context of the model's own list. */
static rij_status judge(const rij_model *m, const rj_image *image, rij_verdict *verdict)
{
    rj_context *c = NULL;
    rij_status status;

    RJ_TRY(rj_context_take(m, &c));
    status = rj_judge_image(m, c, image, verdict);
    rj_context_give(m, c);
    return status;
}

/* ---- the self-test ---------------------------------------------------------------- */

static rij_status selftest(const rij_model *m, double *margin)
{
    rj_image image = {0};
    rij_verdict verdict;
    rij_status status;

    RJ_TRY(rj_image_new(RJ_SELFTEST_SIDE, RJ_SELFTEST_SIDE, &image));
    memcpy(image.rgb, m->selftest, sizeof m->selftest);
    status = judge(m, &image, &verdict);
    rj_image_free(&image);
    if (status == RIJ_OK)
        *margin = verdict.margin;
    return status;
}

rij_status rj_model_seal(rij_model *m)
{
    RJ_TRY(rj_model_prepare(m, RJ_FP32, RJ_JUDGE_BATCH));
    return selftest(m, &m->selftest_margin);
}

/* Kernels of other machines add in another order, so the margin may differ in its last
 * digits: by 1e-3 in logits, or of a large margin. Damage moves it by far more. */
static rij_status replay(const rij_model *m, const char *path)
{
    double margin;

    RJ_TRY(selftest(m, &margin));
    RJ_REQUIRE(fabs(margin - m->selftest_margin) <= 1e-3 * (1 + fabs(m->selftest_margin)),
               RIJ_E_MODEL,
               "%.100s: the self-test image is judged %.9g here, but %.9g is stored",
               path, margin, m->selftest_margin);
    return RIJ_OK;
}

/* ---- the public header ------------------------------------------------------------ */

RIJ_API rij_status rij_model_open(const char *path, const rij_open_options *options,
                                  rij_model **model)
{
    const char *device = options && options->device ? options->device : "cpu";
    const char *name = options && options->precision ? options->precision : "fp32";
    const int threads = options ? options->threads : 0;
    const int crops = options && options->crops ? options->crops : RJ_COVER_MAX;
    const int isolate = options ? options->isolate : 0;
    enum rj_precision precision;
    rj_st_file file = {0};
    rj_cage *cage = NULL;
    rij_model *m = NULL;
    rij_status status;

    RJ_REQUIRE(model, RIJ_E_ARGUMENT, "rij_model_open: model is NULL");
    *model = NULL;
    RJ_REQUIRE(path, RIJ_E_ARGUMENT, "rij_model_open: path is NULL");
    RJ_REQUIRE(!options || options->size == sizeof *options, RIJ_E_ARGUMENT,
               "rij_model_open: options.size is %zu, not %zu; start with "
               "RIJ_OPEN_OPTIONS_INIT",
               options->size, sizeof *options);
    RJ_REQUIRE(threads >= 0 && threads <= RJ_MAX_THREADS, RIJ_E_ARGUMENT,
               "rij_model_open: threads is %d, not in 0..%d", threads, RJ_MAX_THREADS);
    RJ_REQUIRE(crops > 0 && crops <= RJ_COVER_MAX, RIJ_E_ARGUMENT,
               "rij_model_open: crops is %d, not in 1..%d", crops, RJ_COVER_MAX);
    RJ_REQUIRE(isolate == 0 || isolate == 1, RIJ_E_ARGUMENT,
               "rij_model_open: isolate is %d, not 0 or 1", isolate);
    RJ_TRY(rj_precision_named(name, &precision));
    if (isolate) // before there are threads
        RJ_TRY(rj_isolate_new(&cage));
    RJ_TRY_DONE(rj_st_read(path, &file));
    RJ_TRY_DONE(rj_model_from_file(&file, device, threads, &m));
    RJ_TRY_DONE(rj_conformal_edges(&m->calibration));
    RJ_TRY_DONE(rj_model_prepare(m, RJ_FP32, RJ_JUDGE_BATCH));
    RJ_TRY_DONE(replay(m, path));
    m->most_crops = crops;
    if (precision != RJ_FP32)
        RJ_TRY_DONE(rj_model_prepare(m, precision, RJ_JUDGE_BATCH));
    m->cage = cage;
    cage = NULL;
    *model = m;
    m = NULL;
done:
    rj_st_free(&file);
    rij_model_free(m);
    rj_cage_free(cage);
    return status;
}

RIJ_API rij_status rij_predict_file(const rij_model *model, const char *path,
                                    rij_verdict *verdict)
{
    rj_image image = {0};
    rij_status status;

    RJ_REQUIRE(model && path && verdict, RIJ_E_ARGUMENT, "rij_predict_file: %s is NULL",
               !model  ? "model"
               : !path ? "path"
                       : "verdict");
    RJ_TRY(rj_image_read_in(model->cage, path, &image));
    status = judge(model, &image, verdict);
    rj_image_free(&image);
    return status;
}

static rij_status check_pixels(const rij_image *image)
{
    const rj_limits *l = &rj_default_limits;
    const int w = image->width, h = image->height;

    RJ_REQUIRE(image->rgb, RIJ_E_ARGUMENT, "pixels: image->rgb is NULL");
    RJ_REQUIRE(w >= l->side_min && w <= l->side_max && h >= l->side_min &&
                   h <= l->side_max,
               RIJ_E_ARGUMENT, "pixels: the image is %d x %d, sides must be %d..%d", w, h,
               l->side_min, l->side_max);
    RJ_REQUIRE((int64_t)w * h <= l->pixels, RIJ_E_ARGUMENT,
               "pixels: the image is %d x %d, above %lld pixels", w, h,
               (long long)l->pixels);
    RJ_REQUIRE(image->stride >= 3 * (size_t)w, RIJ_E_ARGUMENT,
               "pixels: the stride is %zu bytes, a row of %d pixels needs %zu",
               image->stride, w, 3 * (size_t)w);
    return RIJ_OK;
}

/* Rows that lie tight already are judged where they are; nothing writes to them. */
rij_status rj_pixels_tight(const rij_image *image, rj_image *tight, bool *own)
{
    RJ_TRY(check_pixels(image));
    *own = image->stride != 3 * (size_t)image->width;
    if (!*own) {
        *tight = (rj_image){image->width, image->height, (uint8_t *)image->rgb};
        return RIJ_OK;
    }
    RJ_TRY(rj_image_new(image->width, image->height, tight));
    for (size_t y = 0; y < (size_t)tight->h; y++)
        memcpy(tight->rgb + y * 3 * (size_t)tight->w, image->rgb + y * image->stride,
               3 * (size_t)tight->w);
    return RIJ_OK;
}

RIJ_API rij_status rij_predict(const rij_model *model, const rij_image *image,
                               rij_verdict *verdict)
{
    rj_image tight = {0};
    bool own;
    rij_status status;

    RJ_REQUIRE(model && image && verdict, RIJ_E_ARGUMENT, "rij_predict: %s is NULL",
               !model   ? "model"
               : !image ? "image"
                        : "verdict");
    RJ_TRY(rj_pixels_tight(image, &tight, &own));
    status = judge(model, &tight, verdict);
    if (own)
        rj_image_free(&tight);
    return status;
}
