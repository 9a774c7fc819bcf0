/* dnn.h: convolutions by cuDNN 9. A plan is one convolution of one shape: which of
 * cuDNN's engines does it, and what scratch that takes. Plans are made once for a device
 * and kept; they can also be made without a device, from a description of one.
 *
 * To cuDNN pictures are [N][H][W][Cp] with all Cp = C rounded up to 8 channels, and
 * filters [Kp][R][S][Cp], both in the pictures' type of cell; what lies past C and K is
 * zero, so it is multiplied for nothing and comes out as zero. */
#ifndef RJ_DNN_H
#define RJ_DNN_H

#include "vendor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum rj_dnn_kind { RJ_DNN_FORWARD, RJ_DNN_BY_DATA, RJ_DNN_BY_WEIGHTS };

/* What decides a plan. */
typedef struct rj_dnn_want {
    rj_conv d; /* d.planar does not count */
    enum rj_dnn_kind kind;
    enum rj_precision precision;
    bool add; /* to what the result holds */
} rj_dnn_want;

typedef struct rj_dnn_plan rj_dnn_plan;

/* ---- dnn_plan.c: no device is needed ------------------------------------------------
 */

/* A plan for a handle, or, where that is NULL, for the device that a text describes as
 * cuDNN does. Its engine gives the same bits each time, and multiplies float32 as such
 * unless the precision is RJ_TF32. RIJ_E_DEVICE: cuDNN has none, in its own words.
 * `calls` must outlive it. */
rij_status rj_dnn_plan_create(const rj_cudnn *calls, const rj_dnn_want *want,
                              struct cudnnContext *handle, const char *device,
                              rj_dnn_plan **plan);
void rj_dnn_plan_free(rj_dnn_plan *plan);

/* Scratch in bytes; the engine's number in cuDNN; how many configurations cuDNN offered
 * before this one was taken. */
typedef struct rj_dnn_facts {
    size_t workspace;
    int engine, offered;
} rj_dnn_facts;
rj_dnn_facts rj_dnn_plan_facts(const rj_dnn_plan *plan);

/* Enqueue on the handle's stream; all pointers are to device memory, those of what the
 * kind writes included: x, w and y are dx, dw and dy there. */
rij_status rj_dnn_plan_execute(const rj_dnn_plan *plan, struct cudnnContext *handle,
                               const void *x, const void *w, const void *y,
                               void *workspace);

/* ---- dnn_cudnn.c: on a device -------------------------------------------------------
 */

/* Whether cuDNN convolves this on the device: it is wanted, there, and has a plan that
 * rounds no more often than our kernels do. `add`: there is a bias, or the gradient by
 * data is added to what dx holds. */
bool rj_dnn_wanted(rj_device *dev, const rj_conv *d, enum rj_dnn_kind kind, bool add);

/* As the kernels of their names in kernels.def; d->planar must be false. */
rij_status rj_dnn_conv2d(rj_device *dev, const rj_conv *d, const rj_real *x,
                         const rj_real *w, const rj_real *bias, rj_real *y);
rij_status rj_dnn_conv2d_grad_x(rj_device *dev, const rj_conv *d, const rj_real *dy,
                                const rj_real *w, bool add, rj_real *dx);
rij_status rj_dnn_conv2d_grad_w(rj_device *dev, const rj_conv *d, const rj_real *x,
                                const rj_real *dy, rj_real *dw, rj_real *db);

/* ---- dnn_pack.cu --------------------------------------------------------------------
 */

/* Filters (K,C,R,S) of floats as cells [Kp][R][S][Cp]; and dw (K,C,R,S) += those. */
rij_status rj_dnn_pack(rj_device *dev, const rj_conv *d, const rj_real *w, rj_real *to);
rij_status rj_dnn_add(rj_device *dev, const rj_conv *d, const rj_real *from, rj_real *dw);

#ifdef __cplusplus
}
#endif

#endif
