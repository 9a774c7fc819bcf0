/* realjudge_exchange.h: models to and from other programs. Part of realjudge.h, which
 * includes it, and whose rules hold. */
#ifndef REALJUDGE_EXCHANGE_H
#define REALJUDGE_EXCHANGE_H

#include "realjudge.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 13. Exchange ------------------------------------------------------------------ */

typedef struct rij_onnx_options {
    size_t size;       /* set by RIJ_ONNX_OPTIONS_INIT */
    const char *input; /* "image" (default): a decoded picture of any size, as
                          rij_predict() takes it; "crops": a batch of native crops, cut
                          already */
} rij_onnx_options;

#define RIJ_ONNX_OPTIONS_INIT                                                            \
    {                                                                                    \
        sizeof(rij_onnx_options), NULL                                                   \
    }

/* Write a model as an ONNX file (opset 13), for ONNX Runtime and whatever else runs them.
 * Every encoder, front-end and decision can be written; outputs equal rij_predict()'s to
 * float32's rounding (docs/model_file.md).
 *
 *     image   bytes (height, width, 3), as in rij_image with tight rows: cut
 *             into crops within the graph, reflected where it is small
 *             -> score, margin, classifier, proximity, of one number each
 *     crops   bytes (crops, S, S, 3), S the model's crop
 *             -> the same of each crop; an image's margin comes of the means of
 *             classifier and proximity over its crops, not of the crops' margins
 *
 * They are those of rij_verdict, in float32; proximity is there if the model has traces
 * or a distance. The image must be decoded, its EXIF orientation applied, but not
 * resized. At most as many crops are cut as the model was opened with (rij_open_options).
 *
 * model    Borrowed; any number of threads may export at the same time.
 * options  NULL for the defaults.
 * path     Written beside, synced, renamed. Memory: about three times the model's.
 *
 * Returns RIJ_OK, or RIJ_E_ARGUMENT (a pointer is NULL, an option is not allowed),
 * RIJ_E_FILE (it cannot be written; what was there before still is), RIJ_E_MEMORY,
 * RIJ_E_DEVICE. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_model_export_onnx(const rij_model *model,
                                                      const rij_onnx_options *options,
                                                      const char *path);

/* Make a model file of weights that another program wrote, PyTorch say: a safetensors
 * file with the entries and tensors of docs/model_file.md, but neither hash nor self-test
 * (examples/python/torch_model.py writes one). Everything in it is checked as
 * rij_model_open() does; the self-test image is judged, and the file sealed.
 *
 * What was measured with other weights is left out: calibration, alarms, exemplars,
 * figures and the card. rij_calibrate() makes a calibration for the new ones. How the
 * decision weighs its scores stays as the file has it (decision.a, .b, .kappa, .prox_mean
 * and .prox_deviation): fitted on the weights of before, so of other weights a margin is
 * a margin still, but its score is no measured probability.
 *
 * weights  The file to read; it may be a model file of ours. Not changed, unless it is
 *          `path` too.
 * path     The model file to write: beside, synced, renamed.
 *
 * Returns RIJ_OK, or
 *   RIJ_E_ARGUMENT  a pointer is NULL
 *   RIJ_E_FILE      weights cannot be read, or path not written
 *   RIJ_E_MODEL     an entry or tensor is missing, unknown or not allowed; or the numbers
 *                   overflow on the self-test image
 *   RIJ_E_MEMORY    memory ran out
 * What lay under `path` before still does then. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_model_import(const char *weights, const char *path);

#ifdef __cplusplus
}
#endif
#endif
