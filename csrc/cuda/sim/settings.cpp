/* The variables that choose what the simulated device does.  sim/README.md lists them with their meanings.
 * They are read at each use and parsed again only when the text has changed; counts and random states start
 * anew then. */
#include "sim.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>

namespace ctsim {

static const char *setting(const char *name)
{
    const char *text = getenv(name);
    return text ? text : "";
}

static uint64_t random_state = 1;

static void seed_from(const char *text)
{
    const char *colon = strchr(text, ':');
    random_state = (colon ? strtoull(colon + 1, nullptr, 10) : 0) * 2 + 0x9e3779b97f4a7c15u;
}

uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((random_state >> 32) * n >> 32);
}

static bool starts_with(const char *text, const char *word)
{
    size_t n = strlen(word);
    return strncmp(text, word, n) == 0 && (text[n] == 0 || text[n] == ':');
}

[[noreturn]] static void bad_setting(const char *name, const char *text, const char *choices)
{
    report("%s=%s is not one of %s", name, text, choices);
    abort();
}

Order schedule()
{
    static std::string known;
    const char *text = setting("CTSIM_SCHED");
    if (known != text) {
        known = text;
        seed_from(text);
    }
    if (!*text || starts_with(text, "forward"))
        return Order::forward;
    if (starts_with(text, "reverse"))
        return Order::reverse;
    if (starts_with(text, "random"))
        return Order::random;
    bad_setting("CTSIM_SCHED", text, "forward, reverse, random:SEED");
}

bool lazy_streams()
{
    static std::string known;
    const char *text = setting("CTSIM_STREAMS");
    if (known != text) {
        known = text;
        seed_from(text);
    }
    if (!*text || starts_with(text, "eager"))
        return false;
    if (starts_with(text, "lazy"))
        return true;
    bad_setting("CTSIM_STREAMS", text, "eager, lazy:SEED");
}

bool blocks_unordered()
{
    const char *text = setting("CTSIM_BLOCKS");
    if (!*text || strcmp(text, "ordered") == 0)
        return false;
    if (strcmp(text, "unordered") == 0)
        return true;
    bad_setting("CTSIM_BLOCKS", text, "ordered, unordered");
}

size_t memory_limit()
{
    const char *text = setting("CTSIM_MEM");
    return *text ? strtoull(text, nullptr, 10) : static_cast<size_t>(2) << 30;
}

size_t readback_limit()
{
    const char *text = setting("CTSIM_READBACK");
    return *text ? strtoull(text, nullptr, 10) : SIZE_MAX;
}

int device_count()
{
    const char *text = setting("CTSIM_DEVICES"), *chosen = setting("CTORCH_CUDA");
    if (!*text && strncmp(chosen, "sim:", 4) == 0)
        text = chosen + 4;
    int count = *text ? atoi(text) : 1;
    if (count < -1 || count > MAX_DEVICES)
        bad_setting("CTSIM_DEVICES", text, "-1 (no driver), 0 .. 8");
    return count;
}

bool blas_present()
{
    return strcmp(setting("CTSIM_BLAS"), "0") != 0;
}

bool lt_present()
{
    return blas_present() && strcmp(setting("CTSIM_BLAS"), "old") != 0;
}

const char *blas_place()
{
    const char *place = setting("CTSIM_BLAS");
    return place[0] == '/' ? place : nullptr;
}

namespace {
struct Plan {
    std::string call;
    unsigned long nth, calls;
    bool onwards;
    int code;
};
}  // namespace

/* CTSIM_FAIL=cudaMalloc:2:2,cudaMemcpy:1+:719 : name, which call, with what error. */
static std::vector<Plan> parse_plans(const std::string &text)
{
    std::vector<Plan> plans;
    for (size_t at = 0; at < text.size();) {
        size_t end = text.find(',', at);
        std::string item = text.substr(at, end == std::string::npos ? end : end - at);
        at = end == std::string::npos ? text.size() : end + 1;
        size_t first = item.find(':'), second = item.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos)
            bad_setting("CTSIM_FAIL", text.c_str(), "NAME:N:CODE or NAME:N+:CODE, with commas between");
        Plan plan = {item.substr(0, first), strtoul(item.c_str() + first + 1, nullptr, 10), 0,
                     item[second - 1] == '+', atoi(item.c_str() + second + 1)};
        plans.push_back(plan);
    }
    return plans;
}

cudaError_t planned_failure(const char *call)
{
    static std::string known;
    static std::vector<Plan> plans;
    const char *text = setting("CTSIM_FAIL");
    if (known != text) {
        known = text;
        plans = parse_plans(known);
    }
    cudaError_t error = cudaSuccess;
    for (Plan &plan : plans) {
        if (plan.call == call) {
            plan.calls++;
            if (plan.calls == plan.nth || (plan.onwards && plan.calls > plan.nth))
                error = static_cast<cudaError_t>(plan.code);
        }
    }
    return error;
}

const Detectors &detectors()
{
    static const Detectors chosen = [] {
        std::string off = "," + std::string(setting("CTSIM_OFF")) + ",";
        auto on = [&](const char *name) {
            return off.find("," + std::string(name) + ",") == std::string::npos;
        };
        return Detectors{on("guard"), on("slack"), on("poison"),   on("lines"), on("deadlock"),
                         on("masks"), on("align"), on("validate"), on("host"),  on("args")};
    }();
    return chosen;
}

/* One write, so that the lines of several processes do not mix; no allocation, since a signal handler calls
 * it. */
void report(const char *format, ...)
{
    char text[1024] = "ctsim: ";
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text + 7, sizeof(text) - 8, format, args);
    va_end(args);
    size_t length = 7 + (n < 0 ? 0 : static_cast<size_t>(n));
    length = length < sizeof(text) - 1 ? length : sizeof(text) - 2;
    text[length] = '\n';
    if (write(2, text, length + 1) < 0)
        abort();
}

}  // namespace ctsim
