// One run, one job: who may write a run's files.
//
// A lease is a small file, RUN.lease, that appears whole (link) and is never changed, but for its time, which
// the holder renews while it lives. Its age is told against a file touched just now: on most file systems,
// NFS among them, both times come from the server's clock; on Lustre each from its node's, so that nodes'
// clocks may differ there by minutes less than a lease lasts. Who takes over from a holder X links
// RUN.lease.X, which one process alone can do; as long as RUN.lease is X's, that file is the next holder's
// lease:
//
//     RUN.lease  (X)                            X holds, or has run out
//     RUN.lease  (X)   RUN.lease.X  (Y)         Y holds
//     RUN.lease  (Y)                            Y has renamed it: the same, in one file
//
// A process that ends between two of these steps leaves a lease like any other.
#pragma once

#include "fl/observer.hpp"
#include "io/descriptor.hpp"

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace feddip::io {

// What a lease says of the process that holds it.
struct lease_holder {
    std::string token; // drawn at random
    std::string host;
    // Where both are those of another process, their process ids can be compared.
    std::string boot, pid_namespace;
    pid_t pid = 0;
    std::uint64_t started = 0; // in ticks since the machine has
    std::string cluster, job;  // Slurm's, and how often it has requeued the job; empty outside
    int restarts = 0;
    std::chrono::milliseconds duration{}; // how long after it was renewed it runs out
};

lease_holder this_process();

enum class job_state { there, gone, unknown };
// Asks Slurm's squeue for a job: "gone" if it has ended, waits in the queue or is not known any more.
job_state ask_slurm(const std::string& job);

// Long enough for a file system that stands still for a while.
inline constexpr std::chrono::milliseconds lease_duration = std::chrono::minutes(5);

// Held from its construction to its destruction, renewed by a thread of its own, so that a round may take as
// long as it likes. Takes over a lease that has run out, whose process has ended (on this machine), whose job
// is gone, or that this very job held before it was requeued.
class lease {
public:
    // Throws input_error that says who holds the lease and until when, error when the file can't be written.
    // `run` is what the message calls it.
    lease(std::filesystem::path file, std::string run, lease_holder me = this_process(),
          std::function<job_state(const std::string&)> ask = ask_slurm);
    lease(const lease&) = delete;
    lease& operator=(const lease&) = delete;
    ~lease();

    // Throws error if another process has taken over.
    void confirm();
    // What confirm() does where the lease could not be renewed in time and somebody may be taking it over at
    // this moment: one of the two has it then.
    void take_again();

private:
    struct entry;

    void take();
    std::filesystem::path becoming_path() const;
    bool try_to_take();
    bool make(const std::filesystem::path& name);
    void hold(std::unique_ptr<descriptor> file);
    std::vector<entry> chain() const;
    bool may_follow(const entry& last) const;
    std::chrono::nanoseconds now() const;
    bool late() const;
    void renew();
    void keep_renewing();
    void remove_left_over() const;

    std::filesystem::path file_;
    std::string run_;
    lease_holder me_;
    std::function<job_state(const std::string&)> ask_;
    std::string earlier_token_;        // where this process was late and had to take its lease again
    std::unique_ptr<descriptor> mine_; // the lease's own file, whatever its name stands for by now

    mutable std::mutex mutex_; // of all below, and of mine_
    std::chrono::steady_clock::time_point renewed_;
    bool ending_ = false;
    std::condition_variable end_;
    std::thread renewing_;
};

// Of the files of one run: its results, and its checkpoints where those lie elsewhere. Confirms the leases
// before anything of a round is written.
class run_lease : public fl::observer {
public:
    run_lease(const std::filesystem::path& results, const std::filesystem::path& checkpoint_stem);

    void on_start(const fl::run_info&, const fl::run_state&) override { confirm(); }
    void on_round(const fl::run_state&) override { confirm(); }
    void on_finish(const fl::run_state&, bool) override { confirm(); }

private:
    void confirm();

    std::vector<std::unique_ptr<lease>> leases_;
};

} // namespace feddip::io
