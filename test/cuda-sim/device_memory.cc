/* Device memory, pinned memory, copies.
 *
 * Device memory is address space that nobody may touch but while device operations run,
 * so host code that follows a device pointer gets a SIGSEGV. An address is never given
 * twice, so a pointer kept for too long cannot hit somebody else's memory; pages go back
 * when memory is freed. What is fresh holds bytes 0xff, NaN as floats: all of it, or the
 * beginning of something large. */
#include "simulator.h"
#include "queues.h"
#include <algorithm>
#include <map>
#include <memory>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <vector>

namespace cudasim
{
constexpr size_t page = 4096;
constexpr size_t huge = (size_t)2 << 20; // pages of which protection is changed in time
constexpr size_t filled = (size_t)64 << 20;
constexpr size_t filled_pinned = (size_t)256 << 10;

char *device_start;
static size_t device_span; // of addresses
static size_t device_top;  // addresses below were given
static size_t device_live; // bytes
static int open_count;
static bool left_open;
static std::map<const char *, Allocation *> &allocations =
    *new std::map<const char *, Allocation *>;
static std::map<const char *, size_t> &pinned = *new std::map<const char *, size_t>;
static long allocation_count, failing_allocation;

static bool make_device()
{
    for (size_t span = (size_t)256 << 30; !device_start && span > device_size;
         span /= 2) {
        void *p = mmap(nullptr, span, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED) {
            device_start = (char *)(((uintptr_t)p + huge - 1) & ~(huge - 1));
            device_span = span - huge;
        }
    }
    return device_start;
}

static void protect(int protection)
{
    if (allocations.empty())
        return;
    const uintptr_t start = (uintptr_t)allocations.begin()->second->pages & ~(huge - 1);
    const uintptr_t end = (uintptr_t)device_start + device_top;

    mprotect((void *)start, ((end + huge - 1) & ~(huge - 1)) - start, protection);
}

void open_device()
{
    if (open_count++ == 0 && !left_open)
        protect(PROT_READ | PROT_WRITE);
}

/* Changing the protection of much memory takes longer than a small kernel, so the fast
 * build leaves it open until the host has waited for something. */
void close_device()
{
    if (--open_count > 0)
        return;
    left_open = !cudasim_checked();
    if (!left_open)
        protect(PROT_NONE);
}

void shut_device()
{
    if (left_open)
        protect(PROT_NONE);
    left_open = false;
}

Allocation *nearest_allocation(const void *pointer)
{
    auto next = allocations.upper_bound((const char *)pointer);

    return next == allocations.begin() ? nullptr : std::prev(next)->second;
}

Allocation *find_allocation(const void *pointer, size_t size)
{
    Allocation *a = nearest_allocation(pointer);
    const size_t offset = a ? (size_t)((const char *)pointer - a->start) : 0;

    return a && offset < a->size && size <= a->size - offset ? a : nullptr;
}

bool is_device(const void *pointer)
{
    return (size_t)((const char *)pointer - device_start) < device_span;
}

bool is_pinned(const void *pointer)
{
    auto next = pinned.upper_bound((const char *)pointer);

    if (next == pinned.begin())
        return false;
    --next;
    return (const char *)pointer < next->first + next->second;
}

static bool injected_failure()
{
    return ++allocation_count == failing_allocation;
}

/* Much memory lies in large pages, where the system has such. */
static cudaError_t allocate(void **pointer, size_t size)
{
    const size_t whole = (size + 255) & ~(size_t)255;
    const size_t unit = whole >= 2 * huge ? huge : page;
    const size_t first = (device_top + unit - 1) & ~(unit - 1);
    const size_t pages = (whole + unit - 1) & ~(unit - 1);

    if (injected_failure() || (!device_start && !make_device()) || size > device_size ||
        device_live + size > device_size || first + pages + page > device_span)
        return set_error(cudaErrorMemoryAllocation);
    Allocation *a = new Allocation();
    a->pages = device_start + first;
    a->page_size = pages;
    a->start = a->pages + pages - whole;
    a->size = size;
    device_top = first + pages + page;
    device_live += size;
    shut_device();
    allocations[a->start] = a;
    if (unit == huge)
        madvise(a->pages, pages, MADV_HUGEPAGE);
    open_device();
    memset(a->start, 0xff, std::min(whole, filled));
    close_device();
    shut_device();
    shadow_allocate(a);
    *pointer = a->start;
    return cudaSuccess;
}

static void release(Allocation *a)
{
    shadow_free(a);
    madvise(a->pages, a->page_size, MADV_DONTNEED);
    device_live -= a->size;
    allocations.erase(a->start);
    delete a;
}

void forget_shadows()
{
    for (const auto &a : allocations)
        shadow_forget(a.second);
}

void move_bytes(void *to, const void *from, size_t size)
{
    open_device();
    memcpy(to, from, size);
    if (is_device(to))
        shadow_host_write(to, size);
    close_device();
}

/* Whether a side of a copy is what its kind says. */
static cudaError_t check_side(const void *pointer, size_t size, bool device,
                              const char *what)
{
    if (device ? find_allocation(pointer, size) != nullptr
               : pointer && !is_device(pointer))
        return cudaSuccess;
    char text[160];
    snprintf(text, sizeof text, "%s %p and %zu bytes on are not %s", what, pointer, size,
             device ? "in one allocation of device memory" : "host memory");
    note_error("host", text);
    return set_error(cudaErrorInvalidValue);
}

static cudaError_t copy(void *to, const void *from, size_t size, enum cudaMemcpyKind kind,
                        cudaStream_t stream)
{
    const bool guess = kind == cudaMemcpyDefault;
    const bool to_device =
        guess ? is_device(to)
              : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device =
        guess ? is_device(from)
              : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    cudaError_t error = cudaSuccess;

    if ((unsigned)kind > cudaMemcpyDefault)
        return set_error(cudaErrorInvalidMemcpyDirection);
    if (!size)
        return cudaSuccess;
    if ((error = check_side(to, size, to_device, "destination of a copy")) ||
        (error = check_side(from, size, from_device, "source of a copy")))
        return error;
    Work work = {Work::copy, nullptr, {}, nullptr, 0};
    if (!from_device && !is_pinned(from) && !is_capturing(stream)) {
        // Pageable memory is staged before the call returns.
        auto staged = std::make_shared<std::vector<char>>((const char *)from,
                                                          (const char *)from + size);
        work.work = [=] { move_bytes(to, staged->data(), size); };
    } else {
        work.work = [=] { move_bytes(to, from, size); };
    }
    error = enqueue(stream, work);
    if (!error && !to_device && !is_pinned(to) && stream && !is_capturing(stream))
        drain(stream);
    return error;
}
} // namespace cudasim

using namespace cudasim;

void cudasim_fail_alloc(long n)
{
    failing_allocation = n > 0 ? allocation_count + n : 0;
}

cudaError_t cudaMalloc(void **pointer, size_t size)
{
    Api api;

    if (api.error)
        return api.error;
    if (forbidden_while_capturing())
        return set_error(cudaErrorStreamCaptureUnsupported);
    if (!pointer)
        return set_error(cudaErrorInvalidValue);
    if (!size) {
        *pointer = nullptr;
        return cudaSuccess;
    }
    return allocate(pointer, size);
}

/* After an error that ends all work memory is freed all the same. */
cudaError_t cudaFree(void *pointer)
{
    Api api;

    if (unavailable())
        return unavailable();
    if (!pointer)
        return api.error;
    if (forbidden_while_capturing())
        return set_error(cudaErrorStreamCaptureUnsupported);
    drain_all(); // cudaFree waits for the device
    Allocation *a = find_allocation(pointer, 1);
    if (!a || a->start != pointer) {
        note_error("host",
                   "cudaFree of what cudaMalloc did not give, or of freed memory");
        return set_error(cudaErrorInvalidValue);
    }
    release(a);
    return sticky_error();
}

cudaError_t cudaHostAlloc(void **pointer, size_t size, unsigned)
{
    Api api;

    if (api.error)
        return api.error;
    if (forbidden_while_capturing())
        return set_error(cudaErrorStreamCaptureUnsupported);
    if (!pointer)
        return set_error(cudaErrorInvalidValue);
    *pointer = nullptr;
    if (!size)
        return cudaSuccess;
    void *p =
        injected_failure() ? nullptr : aligned_alloc(page, (size + page - 1) & -page);
    if (!p)
        return set_error(cudaErrorMemoryAllocation);
    memset(p, 0xff, std::min(size, filled_pinned));
    pinned[(const char *)p] = size;
    *pointer = p;
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **pointer, size_t size)
{
    return cudaHostAlloc(pointer, size, cudaHostAllocDefault);
}

cudaError_t cudaFreeHost(void *pointer)
{
    Api api;

    if (unavailable())
        return unavailable();
    if (!pointer)
        return api.error;
    if (forbidden_while_capturing())
        return set_error(cudaErrorStreamCaptureUnsupported);
    drain_all();
    if (!pinned.erase((const char *)pointer)) {
        note_error("host", "cudaFreeHost of what cudaMallocHost did not give");
        return set_error(cudaErrorInvalidValue);
    }
    free(pointer);
    return sticky_error();
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size,
                            enum cudaMemcpyKind kind, cudaStream_t stream)
{
    Api api;

    return api.error ? api.error : copy(to, from, size, kind, stream);
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t size, enum cudaMemcpyKind kind)
{
    Api api;

    if (api.error)
        return api.error;
    if (forbidden_while_capturing())
        return set_error(cudaErrorStreamCaptureUnsupported);
    const cudaError_t error = copy(to, from, size, kind, nullptr);
    return error ? error : result_of_waiting();
}

cudaError_t cudaMemsetAsync(void *pointer, int value, size_t size, cudaStream_t stream)
{
    Api api;

    if (api.error)
        return api.error;
    if (!size)
        return cudaSuccess;
    if (cudaError_t error = check_side(pointer, size, true, "destination of a memset"))
        return error;
    auto work = [=] {
        open_device();
        memset(pointer, value, size);
        shadow_host_write(pointer, size);
        close_device();
    };
    return enqueue(stream, {Work::set, nullptr, work, nullptr, 0});
}

cudaError_t cudaMemset(void *pointer, int value, size_t size)
{
    return cudaMemsetAsync(pointer, value, size, nullptr);
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    Api api;

    if (api.error)
        return api.error;
    *free_bytes = device_size - device_live;
    *total = device_size;
    return cudaSuccess;
}
