/* Settings from the environment, statistics, random numbers, and the list of errors. */
#include "simulator.h"
#include <set>
#include <stdio.h>
#include <stdlib.h>
#include <string>

namespace cudasim
{
cudasim_config settings;
cudasim_stats statistics;
static uint64_t random_state = 88172645463325252ull;
static std::set<std::string> &said = *new std::set<std::string>; // outlives destructors
static std::string &first_error = *new std::string;

uint32_t random_number()
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

void seed_random(uint32_t seed)
{
    random_state = 0x9e3779b97f4a7c15ull * ((uint64_t)seed * 2 + 1) + statistics.launches;
    random_state |= 1;
}

/* Which of three words a variable holds; a wrong one is a mistake of the test's author.
 */
static int choice(const char *variable, const char *const words[3])
{
    const char *value = getenv(variable);

    if (!value || !*value)
        return 0;
    for (int i = 0; i < 3; i++)
        if (strcmp(value, words[i]) == 0)
            return i;
    fprintf(stderr, "cudasim: %s=%s is none of %s, %s, %s\n", variable, value, words[0],
            words[1], words[2]);
    exit(2);
}

static int number(const char *variable, int otherwise)
{
    const char *value = getenv(variable);

    return value && *value ? atoi(value) : otherwise;
}

void read_settings()
{
    static const char *const orders[] = {"ascending", "descending", "random"};
    static const char *const times[] = {"eager", "late", "random"};
    static bool read;

    if (read)
        return;
    read = true;
    settings.order = (enum cudasim_order)choice("CUDASIM_ORDER", orders);
    settings.streams = (enum cudasim_streams)choice("CUDASIM_STREAMS", times);
    settings.seed = (unsigned)number("CUDASIM_SEED", 1);
    settings.preempt = number("CUDASIM_PREEMPT", 0);
    settings.quiet = number("CUDASIM_QUIET", 0);
    settings.no_device = number("CUDASIM_NO_DEVICE", 0);
    settings.arch = number("CUDASIM_ARCH", 80);
    settings.multiprocessors = number("CUDASIM_MULTIPROCESSORS", 0);
    settings.sample = number("CUDASIM_SAMPLE", 0);
    const int driver = number("CUDASIM_OLD_DRIVER", -1);
    settings.driver = driver < 0 ? CUDART_VERSION : driver == 1 ? 12020 : driver;
    const char *log = getenv("CUDASIM_LOG");
    settings.profile = log && *log;
    seed_random(settings.seed);
    cudasim_fail_alloc(number("CUDASIM_FAIL_ALLOC", 0));
}

/* Each text is printed and kept once; the same mistake in a thousand threads differs in
 * little but the thread, so callers say what is new to them. */
void note_error(const char *kind, const char *text)
{
    const char *name = block.launch ? block.launch->name : "none";
    const std::string line = std::string(kind) + ": kernel " + name + ": " + text;

    statistics.errors++;
    if (!said.insert(line).second)
        return;
    if (first_error.empty())
        first_error = line;
    if (!settings.quiet && said.size() <= 20)
        fprintf(stderr, "cudasim: %s\n", line.c_str());
}
} // namespace cudasim

using namespace cudasim;

struct cudasim_config *cudasim_settings(void)
{
    read_settings();
    return &settings;
}

const struct cudasim_stats *cudasim_statistics(void)
{
    return &statistics;
}

const char *cudasim_last_error(void)
{
    return first_error.c_str();
}

int cudasim_errors_of_kind(const char *kind)
{
    const std::string start = std::string(kind) + ":";
    int count = 0;

    for (const std::string &line : said)
        count += line.compare(0, start.size(), start) == 0;
    return count;
}

void cudasim_reset(void)
{
    said.clear();
    forget_errors_seen();
    first_error.clear();
    statistics.errors = 0;
    set_sticky(cudaSuccess);
    cudaGetLastError();
}
