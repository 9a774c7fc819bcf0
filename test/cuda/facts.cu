// facts.cu: kernels of which it is known what their machine code must hold.
extern "C" __global__ void multiply_64(float *x, float b, float c)
{
    float a = x[threadIdx.x];

#pragma unroll
    for (int i = 0; i < 64; i++)
        a = fmaf(a, b, c);
    x[threadIdx.x] = a;
}

extern "C" __global__ void __launch_bounds__(128)
    copy_16_bytes(const float4 *x, float4 *y)
{
    y[threadIdx.x] = x[threadIdx.x];
}

extern "C" __global__ void copy_4_bytes(const float *x, float *y)
{
    __shared__ float kept[256];

    kept[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = kept[255 - threadIdx.x];
}

// More numbers at a time than 24 registers hold.
extern "C" __global__ void sort_of_spills(float *x, int n)
{
    float a[64];

#pragma unroll
    for (int i = 0; i < 64; i++)
        a[i] = x[i * 64 + threadIdx.x];
    for (int k = 0; k < n; k++)
#pragma unroll
        for (int i = 0; i < 64; i++)
            a[i] = fmaf(a[i], a[(i * 7 + 5) % 64], x[k]);
#pragma unroll
    for (int i = 0; i < 64; i++)
        x[i * 64 + threadIdx.x] = a[i];
}

template <typename T, int N, bool B> static __device__ T hops(const T *x)
{
    T sum = 0;

#pragma unroll 1
    for (int i = 0; i < N; i++)
        sum += B ? __shfl_xor_sync(~0u, x[i + threadIdx.x], 1) : x[i] * x[N - i];
    return sum;
}

template <typename T, int N, bool B> __global__ void templated(const T *x, T *y)
{
    *y = hops<T, N, B>(x) / x[0];
}
template __global__ void templated<float, 128, true>(const float *, float *);
template __global__ void templated<double, 7, false>(const double *, double *);
