#include "io/lease.hpp"

#include "base/error.hpp"
#include "io/checkpoint.hpp"
#include "io/descriptor.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <random>
#include <regex>
#include <span>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace feddip::io {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::string_view title = "feddip lease 1";
constexpr std::string_view no_token = "unreadable";
constexpr std::size_t token_digits = 16;
constexpr std::string_view becoming = "new-";

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::string first_line(const fs::path& path) {
    std::string line;
    std::ifstream in(path);
    std::getline(in, line);
    return line;
}

std::string random_token() {
    std::random_device source;
    return fmt::format("{:08x}{:08x}", source(), source());
}

struct process {
    char state = 'X';
    std::uint64_t started = 0;
};

// Of /proc/PID/stat; nothing where there is no such process. The name, in parentheses, may hold anything.
std::optional<process> process_of(pid_t pid) {
    const std::string line = first_line(fmt::format("/proc/{}/stat", pid));
    const auto behind_name = line.rfind(')');
    if (behind_name == std::string::npos) {
        return std::nullopt;
    }
    constexpr int fields_between = 18; // the state is the 3rd, the start the 22nd
    std::istringstream rest(line.substr(behind_name + 1));
    process p;
    rest >> p.state;
    std::string skipped;
    for (int i = 0; i < fields_between; ++i) {
        rest >> skipped;
    }
    rest >> p.started;
    return rest ? std::optional(p) : std::nullopt;
}

std::string to_text(const lease_holder& h) {
    return fmt::format(
        "{}\ntoken {}\nhost {}\nboot {}\npid_namespace {}\npid {}\nstarted {}\ncluster {}\njob {}\n"
        "restarts {}\nmilliseconds {}\n",
        title, h.token, h.host, h.boot, h.pid_namespace, h.pid, h.started, h.cluster, h.job, h.restarts,
        h.duration.count());
}

constexpr milliseconds longest_duration = std::chrono::hours(24);

template <typename T>
T number(const std::string& text) {
    T value{};
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

lease_holder from_text(const std::string& text) {
    lease_holder h;
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        const auto space = line.find(' ');
        const std::string key = line.substr(0, space);
        const std::string value = space == std::string::npos ? "" : line.substr(space + 1);
        if (key == "token") {
            h.token = value;
        } else if (key == "host") {
            h.host = value;
        } else if (key == "boot") {
            h.boot = value;
        } else if (key == "pid_namespace") {
            h.pid_namespace = value;
        } else if (key == "pid") {
            h.pid = number<pid_t>(value);
        } else if (key == "started") {
            h.started = number<std::uint64_t>(value);
        } else if (key == "cluster") {
            h.cluster = value;
        } else if (key == "job") {
            h.job = value;
        } else if (key == "restarts") {
            h.restarts = number<int>(value);
        } else if (key == "milliseconds") {
            h.duration = milliseconds(number<std::int64_t>(value));
        }
    }
    // A file that is no lease is one of nobody, which runs out like any other. A token becomes part of a
    // path.
    if (!text.starts_with(title) || h.token.empty() || h.duration < milliseconds(0) ||
        h.duration > longest_duration || h.token.find_first_not_of("0123456789abcdef") != std::string::npos) {
        h = {};
        h.token = no_token;
        h.host = "unknown host";
        h.duration = lease_duration;
    }
    return h;
}

std::string name_of(const lease_holder& h) {
    const std::string process = fmt::format("process {} on {}", h.pid, h.host);
    return h.job.empty() ? process : fmt::format("job {} ({})", h.job, process);
}

// Whether a lease's name, a point and `rest` are the name of a file that becomes a lease or follows on one:
// TOKEN, new-TOKEN, and behind damaged ones unreadable, TOKEN.unreadable, unreadable.unreadable and so on.
bool is_of_a_lease(const std::string& rest) {
    static const std::regex forms(
        fmt::format("{0}[0-9a-f]{{{1}}}|([0-9a-f]{{{1}}}|{2})(\\.{2})*", becoming, token_digits, no_token));
    return std::regex_match(rest, forms);
}

std::chrono::nanoseconds modified(const struct stat& about) {
    return std::chrono::seconds(about.st_mtim.tv_sec) + std::chrono::nanoseconds(about.st_mtim.tv_nsec);
}

// Whether it is this machine, started once, and both see the same processes.
bool comparable(const lease_holder& a, const lease_holder& b) {
    return !a.boot.empty() && a.boot == b.boot && !a.pid_namespace.empty() &&
           a.pid_namespace == b.pid_namespace;
}

bool runs(const lease_holder& h) {
    const auto found = process_of(h.pid);
    return found && found->started == h.started && found->state != 'Z' && found->state != 'X';
}

bool same_job(const lease_holder& a, const lease_holder& b) {
    return !a.job.empty() && a.job == b.job && a.cluster == b.cluster;
}

} // namespace

lease_holder this_process() {
    lease_holder h;
    h.token = random_token();
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) == 0) {
        h.host = host.data();
    }
    h.boot = first_line("/proc/sys/kernel/random/boot_id");
    std::error_code unknown;
    h.pid_namespace = fs::read_symlink("/proc/self/ns/pid", unknown).string();
    h.pid = ::getpid();
    h.started = process_of(h.pid).value_or(process()).started;
    h.cluster = environment("SLURM_CLUSTER_NAME");
    // The job id alone will not do: an array and one of its tasks have the same.
    const std::string array = environment("SLURM_ARRAY_JOB_ID");
    h.job = array.empty() ? environment("SLURM_JOB_ID") : array + "_" + environment("SLURM_ARRAY_TASK_ID");
    h.restarts = number<int>(environment("SLURM_RESTART_COUNT"));
    h.duration = lease_duration;
    return h;
}

job_state ask_slurm(const std::string& job) {
    if (job.empty() || job.find_first_not_of("0123456789_") != std::string::npos) {
        return job_state::unknown; // it becomes a word of a command
    }
    const std::string command =
        "timeout 30 squeue --noheader --states=all --format=%T --jobs=" + job + " 2>&1";
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> answer(::popen(command.c_str(), "r"), ::pclose);
    if (!answer) {
        return job_state::unknown;
    }
    std::array<char, 256> text{};
    const std::string told(text.data(), std::fread(text.data(), 1, text.size(), answer.get()));
    if (told.find("Invalid job id") != std::string::npos) {
        return job_state::gone;
    }
    constexpr std::array<std::string_view, 12> not_running = {
        "PENDING", "REQUEUE",   "SPECIAL_EXIT", "COMPLETED", "CANCELLED", "FAILED",
        "TIMEOUT", "NODE_FAIL", "PREEMPTED",    "BOOT_FAIL", "DEADLINE",  "OUT_OF_MEMORY"};
    if (std::ranges::any_of(not_running, [&](std::string_view s) { return told.starts_with(s); })) {
        return job_state::gone;
    }
    return told.starts_with("RUNNING") || told.starts_with("COMPLETING") ? job_state::there
                                                                         : job_state::unknown;
}

struct lease::entry {
    fs::path path;
    lease_holder holder;
    std::chrono::nanoseconds modified{};

    // The lease that follows on this one, of the run's `file`. A damaged one, whose token nobody knows, names
    // it by its own path, lest two of them follow each other in a circle.
    fs::path next(const fs::path& file) const {
        return (holder.token == no_token ? path : file).string() + "." + holder.token;
    }
};

lease::lease(fs::path file, std::string run, lease_holder me,
             std::function<job_state(const std::string&)> ask)
    : file_(std::move(file)), run_(std::move(run)), me_(std::move(me)), ask_(std::move(ask)) {
    take();
    remove_left_over();
    renewing_ = std::thread([this] { keep_renewing(); });
}

lease::~lease() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    end_.notify_one();
    renewing_.join();
    try {
        const auto entries = chain();
        if (!late() && !entries.empty() && entries.back().holder.token == me_.token) {
            for (const entry& e : entries) {
                ::unlink(e.path.c_str());
            }
        }
    } catch (const error&) { // it runs out
    }
}

void lease::confirm() {
    if (late()) {
        take_again();
        return;
    }
    const auto entries = chain();
    if (entries.empty() || entries.back().holder.token != me_.token) {
        throw error("lost the run", run_,
                    entries.empty() ? file_.string() + " was removed"
                                    : name_of(entries.back().holder) + " has taken it over");
    }
    renew();
}

void lease::take_again() {
    earlier_token_ = std::exchange(me_.token, random_token());
    try {
        take();
    } catch (const input_error& taken) {
        throw error("lost the run", run_, fmt::format("its lease was not renewed in time; {}", taken.what()));
    }
}

// The lease's file is written under a name of its own and then linked, so that nobody sees half of it.
void lease::take() {
    const fs::path written = becoming_path();
    hold(std::make_unique<descriptor>(written, O_RDWR | O_CREAT | O_EXCL));
    try {
        const std::string text = to_text(me_);
        mine_->write(std::as_bytes(std::span(text)));
        mine_->flush();
        constexpr int more_than_will_ever_race = 1000;
        int tries = 0;
        while (!try_to_take()) {
            if (++tries == more_than_will_ever_race) {
                throw error("can't take the lease", file_.string(),
                            "others take it again and again; try later");
            }
        }
    } catch (...) {
        ::unlink(written.c_str());
        throw;
    }
    ::unlink(written.c_str());
}

fs::path lease::becoming_path() const {
    return fmt::format("{}.{}{}", file_.string(), becoming, me_.token);
}

// False where another was quicker.
bool lease::try_to_take() {
    const fs::path written = becoming_path();
    const auto link_as = [&](const fs::path& name) {
        renew();
        if (::link(written.c_str(), name.c_str()) == 0) {
            return true;
        }
        if (errno == EEXIST) {
            // Over NFS a request whose answer is lost is sent again, and finds its own link (link(2), BUGS).
            return mine_->about().st_nlink > 1;
        }
        if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) {
            fail("can't take the lease", name);
        }
        return make(name); // on a file system without links, where others may see it empty for a moment
    };
    const auto entries = chain();
    if (entries.empty()) {
        return link_as(file_);
    }
    const entry& last = entries.back();
    if (!may_follow(last)) {
        const auto until =
            std::chrono::duration_cast<std::chrono::seconds>(last.modified + last.holder.duration);
        throw input_error(
            "another job is at this run", run_,
            fmt::format("{} has it until {:%Y-%m-%d %H:%M:%S} UTC and renews that; wait for its "
                        "end or choose another --out",
                        name_of(last.holder), fmt::gmtime(std::time_t{until.count()})));
    }
    const fs::path next = last.next(file_);
    if (!link_as(next)) {
        return false;
    }
    try {
        // What was seen may have been over by then: the name counts only behind the lease it was made for.
        const auto now = chain();
        if (now.size() != entries.size() + 1 || now.back().holder.token != me_.token || late()) {
            ::unlink(next.c_str());
            return false;
        }
        if (::rename(next.c_str(), file_.c_str()) != 0) {
            fail("can't take the lease", file_);
        }
    } catch (...) {
        ::unlink(next.c_str());
        throw;
    }
    for (std::size_t i = 1; i < entries.size(); ++i) {
        ::unlink(entries[i].path.c_str());
    }
    return true;
}

// False where something has this name.
bool lease::make(const fs::path& name) {
    const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) {
        return false;
    }
    if (fd < 0) {
        fail("can't take the lease", name);
    }
    auto file = std::make_unique<descriptor>(name, descriptor::adopted{fd});
    const std::string text = to_text(me_);
    file->write(std::as_bytes(std::span(text)));
    file->flush();
    hold(std::move(file));
    return true;
}

void lease::hold(std::unique_ptr<descriptor> file) {
    const std::lock_guard lock(mutex_);
    mine_ = std::move(file);
}

// From the lease to the last that follows; empty where there is none.
std::vector<lease::entry> lease::chain() const {
    std::vector<entry> entries;
    fs::path path = file_;
    constexpr std::size_t more_than_will_ever_die = 100;
    while (entries.size() < more_than_will_ever_die) {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
            break;
        }
        if (fd < 0) {
            fail("can't read the lease", path);
        }
        const descriptor file(path, descriptor::adopted{fd});
        std::string text(4096, '\0');
        text.resize(file.read(std::as_writable_bytes(std::span(text))));
        entries.push_back({path, from_text(text), modified(file.about())});
        path = entries.back().next(file_);
    }
    return entries;
}

bool lease::may_follow(const entry& last) const {
    const lease_holder& h = last.holder;
    if (now() - last.modified > h.duration || h.token == earlier_token_) {
        return true;
    }
    if (same_job(h, me_) && h.restarts < me_.restarts) {
        return true; // from before it was requeued
    }
    if (comparable(h, me_)) {
        return !runs(h);
    }
    return !h.job.empty() && h.cluster == me_.cluster && ask_(h.job) == job_state::gone;
}

// By the clock that the times of files come from.
std::chrono::nanoseconds lease::now() const {
    const std::lock_guard lock(mutex_);
    mine_->touch();
    return modified(mine_->about());
}

// A margin below what makes others take over.
bool lease::late() const {
    const std::lock_guard lock(mutex_);
    return std::chrono::steady_clock::now() - renewed_ > me_.duration * 4 / 5;
}

void lease::renew() {
    const std::lock_guard lock(mutex_);
    const auto before = std::chrono::steady_clock::now();
    mine_->touch();
    renewed_ = before;
}

void lease::keep_renewing() {
    std::unique_lock lock(mutex_);
    while (!end_.wait_for(lock, me_.duration / 5, [this] { return ending_; })) {
        try {
            const auto before = std::chrono::steady_clock::now();
            mine_->touch();
            renewed_ = before;
        } catch (const error&) { // the next time, or confirm() says so
        }
    }
}

// What processes have left that ended in the midst of taking a lease.
void lease::remove_left_over() const {
    const std::string before = file_.filename().string() + ".";
    const auto this_moment = now();
    const auto folder = file_.has_parent_path() ? file_.parent_path() : fs::path(".");
    std::error_code failure; // one file too many does no harm
    for (fs::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
        struct stat about {};
        const std::string name = at->path().filename().string();
        if (name.starts_with(before) && is_of_a_lease(name.substr(before.size())) &&
            ::stat(at->path().c_str(), &about) == 0 && this_moment - modified(about) > me_.duration) {
            ::unlink(at->path().c_str());
        }
    }
}

run_lease::run_lease(const fs::path& results, const fs::path& checkpoint_stem) {
    const auto take = [&](const fs::path& stem) {
        leases_.push_back(std::make_unique<lease>(stem.string() + ".lease", results.string()));
    };
    take(checkpoint_stem);
    const auto beside_results = io::checkpoint_stem(results, "");
    std::error_code different;
    if (!fs::equivalent(checkpoint_stem.string() + ".lease", beside_results.string() + ".lease", different)) {
        take(beside_results);
    }
}

void run_lease::confirm() {
    for (const auto& l : leases_) {
        l->confirm();
    }
}

} // namespace feddip::io
