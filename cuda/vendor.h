/* vendor.h: cuBLAS and cuDNN 9, opened at run time if they are wanted and there; nothing
 * of them is linked or included. Which are wanted is said by RIJ_CUDA_LIBRARIES: `none`,
 * `cublas`, `cudnn` or both with a comma. Unset it is `none`, until hardware has shown
 * that they win over the kernels of this folder. One that is wanted and cannot be had is
 * no error: the kernels of this folder serve, and rj_vendor_about() says why. */
#ifndef RJ_VENDOR_H
#define RJ_VENDOR_H

#include "gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cublasContext; /* what their handles point to */
struct cudnnContext;

#define RJ_CALL(result, name, args) result(*name) args;
typedef struct rj_cublas { /* its calls */
#define RJ_CUBLAS RJ_CALL
#include "vendor.def"
#undef RJ_CUBLAS
} rj_cublas;

typedef struct rj_cudnn {
#define RJ_CUDNN RJ_CALL
#include "vendor.def"
#undef RJ_CUDNN
} rj_cudnn;
#undef RJ_CALL

/* Values of enumerations, each that of the header's name without RJ_. */
enum {
    RJ_CUBLAS_OP_N = 0,
    RJ_CUBLAS_OP_T = 1,
    RJ_CUBLAS_ATOMICS_NOT_ALLOWED = 0,
    RJ_CUBLAS_DEFAULT_MATH = 0 /* float32 is multiplied as float32 */
};

enum {
    RJ_CUDNN_DATA_FLOAT = 0,
    RJ_CUDNN_DATA_BFLOAT16 = 9,
    RJ_CUDNN_CROSS_CORRELATION = 1,
    RJ_CUDNN_HEUR_MODE_FALLBACK = 2,
    RJ_CUDNN_HEUR_MODE_A = 3,
    RJ_CUDNN_NUMERICAL_NOTE_TENSOR_CORE = 0,
    RJ_CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS = 1,
    RJ_CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION = 2,
    RJ_CUDNN_NUMERICAL_NOTE_FFT = 3,
    RJ_CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC = 4,
    RJ_CUDNN_NUMERICAL_NOTE_TYPE_COUNT = 10
};

enum { /* types of attributes */
       RJ_CUDNN_TYPE_HANDLE = 0,
       RJ_CUDNN_TYPE_DATA_TYPE = 1,
       RJ_CUDNN_TYPE_INT64 = 3,
       RJ_CUDNN_TYPE_FLOAT = 4,
       RJ_CUDNN_TYPE_VOID_PTR = 6,
       RJ_CUDNN_TYPE_CONVOLUTION_MODE = 7,
       RJ_CUDNN_TYPE_HEUR_MODE = 8,
       RJ_CUDNN_TYPE_NUMERICAL_NOTE = 11,
       RJ_CUDNN_TYPE_BACKEND_DESCRIPTOR = 15,
       RJ_CUDNN_TYPE_CHAR = 24
};

enum { /* kinds of descriptors */
       RJ_CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR = 1,
       RJ_CUDNN_BACKEND_ENGINE_DESCRIPTOR = 2,
       RJ_CUDNN_BACKEND_ENGINECFG_DESCRIPTOR = 3,
       RJ_CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR = 4,
       RJ_CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR = 5,
       RJ_CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR = 10,
       RJ_CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR = 11,
       RJ_CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR = 12,
       RJ_CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR = 15,
       RJ_CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR = 16,
       RJ_CUDNN_BACKEND_TENSOR_DESCRIPTOR = 17,
       RJ_CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR = 38
};

enum { /* names of attributes */
       RJ_CUDNN_ATTR_CONVOLUTION_COMP_TYPE = 100,
       RJ_CUDNN_ATTR_CONVOLUTION_CONV_MODE = 101,
       RJ_CUDNN_ATTR_CONVOLUTION_DILATIONS = 102,
       RJ_CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES = 103,
       RJ_CUDNN_ATTR_CONVOLUTION_POST_PADDINGS = 104,
       RJ_CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS = 105,
       RJ_CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS = 106,
       RJ_CUDNN_ATTR_ENGINEHEUR_MODE = 200,
       RJ_CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH = 201,
       RJ_CUDNN_ATTR_ENGINEHEUR_RESULTS = 202,
       RJ_CUDNN_ATTR_ENGINEHEUR_DEVICEPROP = 204,
       RJ_CUDNN_ATTR_ENGINECFG_ENGINE = 300,
       RJ_CUDNN_ATTR_EXECUTION_PLAN_HANDLE = 400,
       RJ_CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG = 401,
       RJ_CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE = 402,
       RJ_CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP = 407,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA = 700,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA = 701,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC = 702,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W = 703,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X = 704,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y = 705,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA = 706,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA = 707,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC = 708,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W = 709,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX = 710,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY = 711,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA = 712,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA = 713,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC = 714,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW = 715,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X = 716,
       RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY = 717,
       RJ_CUDNN_ATTR_OPERATIONGRAPH_HANDLE = 800,
       RJ_CUDNN_ATTR_OPERATIONGRAPH_OPS = 801,
       RJ_CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT = 900,
       RJ_CUDNN_ATTR_TENSOR_DATA_TYPE = 901,
       RJ_CUDNN_ATTR_TENSOR_DIMENSIONS = 902,
       RJ_CUDNN_ATTR_TENSOR_STRIDES = 903,
       RJ_CUDNN_ATTR_TENSOR_UNIQUE_ID = 906,
       RJ_CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS = 1000,
       RJ_CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS = 1001,
       RJ_CUDNN_ATTR_VARIANT_PACK_WORKSPACE = 1003,
       RJ_CUDNN_ATTR_ENGINE_GLOBAL_INDEX = 1301,
       RJ_CUDNN_ATTR_ENGINE_NUMERICAL_NOTE = 1303,
       RJ_CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION = 2702
};

enum { RJ_WHY = 240 }; /* bytes of a sentence */

/* Open the library and find its calls: RIJ_CUDA_BLAS or RIJ_CUDA_DNN if they name a file,
 * else by the names it has had. It stays open. False: why not, in a sentence. */
bool rj_cublas_open(rj_cublas *calls, char why[RJ_WHY]);
bool rj_cudnn_open(rj_cudnn *calls, char why[RJ_WHY]);

/* What a device has of them: gpu->vendor. */
typedef struct rj_vendor {
    struct rj_blas *blas; /* NULL: not wanted, or not to be had */
    struct rj_dnn *dnn;
    char why[2][RJ_WHY]; /* what became of each, "" if it is not wanted */
} rj_vendor;

/* As RIJ_CUDA_LIBRARIES says. RIJ_E_DEVICE if that says what nobody knows; absent
 * libraries are RIJ_OK. */
rij_status rj_vendor_open(rj_device *dev);
void rj_vendor_close(rj_device *dev);
/* "cublas 13.1 serves", or why it does not: into text, "" if none is wanted. */
void rj_vendor_about(const rj_device *dev, char *text, size_t size);

/* One library for a device: NULL and why, or its state and, in `why`, its version. */
struct rj_blas *rj_blas_open(rj_device *dev, char why[RJ_WHY]);
void rj_blas_close(struct rj_blas *blas);
struct rj_dnn *rj_dnn_open(rj_device *dev, char why[RJ_WHY]);
void rj_dnn_close(struct rj_dnn *dnn);

/* blas_cublas.c. Whether cuBLAS multiplies the rows of linear layers on this device. */
bool rj_blas_wanted(const rj_device *dev);
/* c (M,N) = op(a) op(b) + beta c in float32, row-major; op(a) (M,K) is a, or, if it is
 * transposed, that of a (K,M); likewise op(b) (K,N). Enqueued on the device's stream. */
rij_status rj_blas_rows(rj_device *dev, bool transposed_a, bool transposed_b, int m,
                        int n, int k, const rj_real *a, const rj_real *b, double beta,
                        rj_real *c);

/* blas_rows.cu: rows (N,K) of y = bias, or zeros where it is NULL. */
rij_status rj_blas_fill(rj_device *dev, int n, int k, const rj_real *bias, rj_real *y);

#ifdef __cplusplus
}
#endif

#endif
