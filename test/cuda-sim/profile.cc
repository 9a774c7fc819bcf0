/* What kernels move: counters for the launch log.
 *
 * The accesses of one instruction by the lanes of one warp, the n-th of each lane, are
 * one request, as they would be on a device where lanes have not diverged. A request to
 * device memory moves the 32-byte sectors that it touches. One to shared memory takes as
 * many wavefronts as the words that the busiest of its 32 banks of 4 bytes must give;
 * accesses of 8 and 16 bytes are served for half and a quarter of a warp at a time.
 * Requests are counted at barriers and at the end of a block, when all lanes have made
 * theirs. */
#ifdef CUDASIM_CHECK
#    include "simulator.h"
#    include <algorithm>
#    include <map>
#    include <stdio.h>
#    include <stdlib.h>
#    include <string>
#    include <tuple>
#    include <vector>

namespace cudasim
{
struct Request {
    uint32_t lanes;
    unsigned size;
    bool write, shared;
    uintptr_t address[32];
};
struct Site { // an instruction
    std::vector<Request> requests[max_threads / 32];
    unsigned count[max_threads]; // accesses of each thread since the last flush
    bool used;
};
struct Totals {
    std::string name;
    unsigned long long launches, sectors[2], unique_sectors[2], wavefronts;
    unsigned long long mma[2], copied, static_shared;
};
typedef std::tuple<const void *, unsigned long, unsigned, size_t> Key;

static std::vector<Site *> &sites = *new std::vector<Site *>;
static std::vector<Site *> &used_sites = *new std::vector<Site *>;
static std::map<Key, Totals> &entries = *new std::map<Key, Totals>;
static Totals *totals;               // of the running launch
static Totals &before = *new Totals; // what they were before it
static std::vector<Allocation *> &touched = *new std::vector<Allocation *>; // by it
static uint32_t launch_number;

void profile_launch(const Launch &l)
{
    if (!settings.profile)
        return;
    const dim3 &g = l.grid, &b = l.block;
    totals = &entries[Key(l.kernel, (unsigned long)g.x * g.y * g.z, b.x * b.y * b.z,
                          l.shared)];
    totals->name = l.name;
    totals->launches++;
    before = *totals;
    touched.clear();
    launch_number++;
}

void profile_access(const Access &a)
{
    if (sites.size() <= a.instruction)
        sites.resize(a.instruction + 1);
    Site *&site = sites[a.instruction];
    if (!site)
        site = new Site();
    if (!site->used) {
        site->used = true;
        used_sites.push_back(site);
    }
    std::vector<Request> &requests = site->requests[a.thread / 32];
    const unsigned number = site->count[a.thread]++;
    if (requests.size() <= number)
        requests.resize(number + 1);
    Request &r = requests[number];
    r.lanes |= 1u << a.thread % 32;
    r.size = a.size;
    r.write = a.write;
    r.shared = a.shared;
    r.address[a.thread % 32] = a.address;
}

static void count_sectors(const Request &r)
{
    uintptr_t sectors[64];
    unsigned count = 0;

    for (uint32_t left = r.lanes; left; left &= left - 1) {
        const uintptr_t address = r.address[__builtin_ctz(left)];
        const uintptr_t first = address / 32, last = (address + r.size - 1) / 32;
        for (uintptr_t s = first; s <= last && count < 64; s++)
            if (!count || sectors[count - 1] != s)
                sectors[count++] = s;
    }
    std::sort(sectors, sectors + count);
    count = (unsigned)(std::unique(sectors, sectors + count) - sectors);
    totals->sectors[r.write] += count;
    for (unsigned i = 0; i < count; i++) {
        Allocation *a = find_allocation((void *)(sectors[i] * 32), 1);
        if (!a)
            continue;
        const size_t n = sectors[i] - (uintptr_t)a->start / 32;
        std::vector<uint32_t> &seen = a->sectors[r.write];
        if (seen.size() <= n)
            seen.resize(a->size / 32 + 1);
        if (!a->touched[0] && !a->touched[1])
            touched.push_back(a);
        a->touched[r.write] += seen[n] != launch_number;
        seen[n] = launch_number;
    }
}

static void count_wavefronts(const Request &r)
{
    const unsigned words = std::max(1u, r.size / 4), lanes = 32 / std::min(words, 4u);

    for (unsigned first = 0; first < 32; first += lanes) {
        uintptr_t bank[32][32];
        unsigned in_bank[32] = {}, worst = 0;
        for (unsigned lane = first; lane < first + lanes; lane++) {
            for (unsigned w = 0; w < words && (r.lanes >> lane & 1); w++) {
                const uintptr_t word = r.address[lane] / 4 + w;
                uintptr_t *held = bank[word & 31];
                unsigned &count = in_bank[word & 31];
                if (std::find(held, held + count, word) == held + count && count < 32)
                    held[count++] = word;
                worst = std::max(worst, count);
            }
        }
        totals->wavefronts += worst;
    }
}

void profile_flush()
{
    for (Site *site : used_sites) {
        for (auto &requests : site->requests) {
            for (const Request &r : requests) {
                if (r.shared)
                    count_wavefronts(r);
                else
                    count_sectors(r);
            }
            requests.clear();
        }
        memset(site->count, 0, sizeof site->count);
        site->used = false;
    }
    used_sites.clear();
}

/* Of a sample of blocks, what all would have moved: as much each. Different sectors are
 * no more than an allocation has. */
static void scale_sample(double all)
{
    auto scale = [all](unsigned long long &now, unsigned long long then) {
        now = then + (unsigned long long)((double)(now - then) * all);
    };

    for (int w = 0; w < 2; w++) {
        scale(totals->sectors[w], before.sectors[w]);
        scale(totals->mma[w], before.mma[w]);
        for (Allocation *a : touched)
            totals->unique_sectors[w] +=
                std::min((unsigned long long)((double)a->touched[w] * all),
                         (a->size + 31ull) / 32);
    }
    scale(totals->wavefronts, before.wavefronts);
    scale(totals->copied, before.copied);
}

void profile_end()
{
    if (!totals)
        return;
    const dim3 &g = block.launch->grid;
    const unsigned long count = (unsigned long)g.x * g.y * g.z;
    scale_sample((double)count / (double)sampled_blocks(count));
    for (Allocation *a : touched)
        a->touched[0] = a->touched[1] = 0;
    totals->static_shared =
        std::max<unsigned long long>(totals->static_shared, block.static_size);
    totals = nullptr;
}

void profile_matrix(Operation operation)
{
    if (totals)
        totals->mma[operation == mma_bf16]++;
}

void profile_copy(size_t size)
{
    if (totals)
        totals->copied += size;
}

__attribute__((destructor)) static void write_at_end()
{
    const char *path = getenv("CUDASIM_LOG");

    if (path && *path && !entries.empty() && cudasim_write_log(path) != 0)
        fprintf(stderr, "cudasim: cannot write %s\n", path);
}
} // namespace cudasim

using namespace cudasim;

int cudasim_write_log(const char *path)
{
    FILE *file = fopen(path, "w");

    if (!file)
        return -1;
    fputs("kernel\tgrid_blocks\tblock_threads\tdyn_smem\tstatic_smem\tlaunches\t"
          "read_sectors\twrite_sectors\tunique_read_sectors\tunique_write_sectors\t"
          "shared_wavefronts\tmma_tf32\tmma_bf16\tcp_async_bytes\n",
          file);
    for (const auto &entry : entries) {
        const Totals &t = entry.second;
        char name[1000];
        snprintf(name, sizeof name, "%s", t.name.c_str());
        kernel_function_name(std::get<0>(entry.first), name, sizeof name);
        fprintf(file, "%s\t%lu\t%u\t%zu\t%llu\t%llu", name, std::get<1>(entry.first),
                std::get<2>(entry.first), std::get<3>(entry.first), t.static_shared,
                t.launches);
        for (const unsigned long long n :
             {t.sectors[0], t.sectors[1], t.unique_sectors[0], t.unique_sectors[1],
              t.wavefronts, t.mma[0], t.mma[1], t.copied})
            fprintf(file, "\t%llu", n);
        fprintf(file, "\n");
    }
    return fclose(file);
}
#endif
