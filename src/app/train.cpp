#include "app/agreement.hpp"
#include "app/commands.hpp"
#include "app/experiment.hpp"
#include "app/idle_settings.hpp"
#include "app/progress.hpp"
#include "app/report_error.hpp"
#include "app/signals.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/mpi.hpp"
#include "comm/mpi_transport.hpp"
#include "comm/shared_buffer.hpp"
#include "data/dataset.hpp"
#include "data/drift.hpp"
#include "data/partition.hpp"
#include "fl/packing.hpp"
#include "fl/privacy_guarantee.hpp"
#include "fl/round_loop.hpp"
#include "io/checkpoint.hpp"
#include "io/client_files.hpp"
#include "io/files.hpp"
#include "io/lease.hpp"
#include "io/results.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace feddip::app {

namespace {

// What rank 0 watches a run with.
struct observation {
    std::filesystem::path results, checkpoints;
    progress_style style = progress_style::none;
    std::unique_ptr<io::run_lease> lease;
    std::optional<fl::run_state> resumed;
    std::string resumed_data; // their checksum
    bool complete = false;    // before it was started
};

std::optional<io::results_header> find_complete(const config::run_config& config,
                                                const std::filesystem::path& path) {
    try {
        auto found = io::read_results(path);
        if (found.header.complete &&
            io::config_differences(found.header.info.config_toml, config::to_toml(config)).empty()) {
            return std::move(found.header);
        }
    } catch (const error&) { // there are none, or a checkpoint has what these should have had
    }
    return std::nullopt;
}

// What it gets who takes every image for the most frequent class.
double majority_share(std::span<const std::uint8_t> labels) {
    std::array<std::size_t, 256> images{};
    for (const std::uint8_t label : labels) {
        ++images[label];
    }
    return static_cast<double>(std::ranges::max(images)) / static_cast<double>(labels.size());
}

// A node's crash may have left them torn.
io::results read_results_to_resume(const std::filesystem::path& path) {
    try {
        return io::read_results(path);
    } catch (const error& unreadable) {
        throw input_error("can't resume", path.string(),
                          fmt::format("there is no checkpoint, and it can't be read ({}); if it is this "
                                      "run's, remove it to start anew",
                                      unreadable.what()));
    }
}

// Throws input_error for results without a checkpoint that starting anew would lose.
void ensure_nothing_is_lost(const observation& o, const config::run_config& config) {
    if (!std::filesystem::exists(o.results)) {
        return;
    }
    const auto found = read_results_to_resume(o.results);
    io::ensure_same_run(found.header.info.config_toml, config::to_toml(config), o.results);
    const auto before = config::parse(found.header.info.config_toml, o.results.string(), {});
    if (io::had_checkpoint(before.checkpoint, found.rounds) ||
        io::had_checkpoint(config.checkpoint, found.rounds)) {
        throw input_error("can't resume", o.results.string(),
                          fmt::format("it has {} rounds, and there is no checkpoint {}.ckpt-*.h5: give "
                                      "checkpoint.path as it was, or remove the results to start anew",
                                      found.rounds.size(), o.checkpoints.string()));
    }
}

void find_state_to_resume(observation& o, const config::run_config& config) {
    if (const auto complete = find_complete(config, o.results)) {
        // For complete results nothing else reads the data.
        ensure_still_same_data(complete->made_by.data_checksum, config.data, o.results);
        o.complete = true;
        log::info("{} is complete", o.results.string());
    } else if (auto newest = io::load_newest(o.checkpoints)) {
        io::ensure_same_run(newest->config_toml, config::to_toml(config), o.checkpoints);
        o.resumed = std::move(newest->state);
        o.resumed_data = std::move(newest->data_checksum);
    } else {
        ensure_nothing_is_lost(o, config);
        log::info("there is no checkpoint {}.ckpt-*.h5 to resume from: starting anew",
                  o.checkpoints.string());
    }
}

// Everything that could keep the run from being recorded, before anything is started.
observation prepare_observation(const train_command& command, const config::run_config& config) {
    for (const auto& idle : idle_settings(config)) {
        log::warning("{}", idle);
    }
    observation o;
    o.style = choose_progress_style();
    o.results = results_path(config, command.out);
    o.checkpoints = io::checkpoint_stem(o.results, config.checkpoint.path);
    const auto ensure_free = [&] {
        io::ensure_writable(o.results, command.resume);
        io::ensure_checkpoints_writable(o.checkpoints, command.resume);
    };
    ensure_free();
    o.lease = std::make_unique<io::run_lease>(o.results, o.checkpoints);
    ensure_free(); // another job may have come and gone
    if (command.resume) {
        find_state_to_resume(o, config);
    }
    if (!o.complete) {
        io::remove_later_client_files(o.checkpoints, o.resumed ? o.resumed->rounds_done : 0);
    }
    return o;
}

// Read once per machine.
data::dataset load_dataset(const config::data_section& settings, const data::dataset_facts& facts,
                           fl::transport& ranks, comm::shared_buffer& storage) {
    together(ranks, [&] {
        if (storage.leader()) {
            data::read(facts, data::locate(settings), storage.bytes());
        }
    });
    storage.publish();
    return data::view(facts, storage.bytes());
}

exit_code end(const fl::run_result& result, const observation& o, const config::run_config& config) {
    if (result.complete) {
        fmt::print("{}\n", o.results.string());
        return exit_code::done;
    }
    if (config.checkpoint.none()) {
        throw error("stopped on request without a checkpoint", "checkpoint.every_rounds",
                    "it is 0 and every_minutes too, so that this run can't be resumed");
    }
    log::info("stopped on request after round {} of {}; go on with the same command and --resume",
              result.state.rounds_done, config.federation.rounds);
    return exit_code::stopped;
}

// Collective. Without new checkpoints nothing needs more than the newest versions but the one gone on from.
io::client_files client_files_of(const config::run_config& config, const train_command& command,
                                 const std::optional<fl::run_state>& resumed, fl::transport& ranks) {
    auto stem = io::checkpoint_stem(results_path(config, command.out), config.checkpoint.path);
    if (!config.checkpoint.none()) {
        return {std::move(stem), io::versions::all};
    }
    std::int32_t checkpointed = resumed ? resumed->rounds_done : 0;
    if (command.resume) {
        checkpointed = fl::broadcast(ranks, std::span<const std::int32_t>(&checkpointed, 1)).front();
    }
    return {std::move(stem), io::versions::newest, checkpointed};
}

exit_code train_on(comm::communicator& world, const train_command& command) {
    const stop_signals signals;
    const bool first = world.rank() == 0;
    log::configure(world.size() > 1 ? world.rank() : -1, log::level::info);
    auto hostnames = comm::hostnames(world);
    comm::mpi_transport ranks(comm::communicator(world.handle()));

    config::run_config config;
    observation observed;
    together(ranks, [&] { config = load_config(command.config, command.overrides); });
    together(ranks, [&] {
        if (first) {
            observed = prepare_observation(command, config);
        }
    });
    if (command.resume && ranks.any(observed.complete)) {
        if (first) {
            fmt::print("{}\n", observed.results.string());
        }
        return exit_code::done;
    }
    omp_set_num_threads(config.compute.threads);

    data::dataset_facts facts;
    parameter_layout layout;
    together(ranks, [&] {
        facts = data::facts_of(config.data);
        layout = layout_for(config);
    });
    comm::shared_buffer storage(world, data::storage_size(facts));
    const auto dataset = load_dataset(config.data, facts, ranks, storage);
    data::partition shares;
    together(ranks, [&] {
        shares =
            data::make_partition(dataset, config.data, config.federation.clients, config.federation.seed);
        data::drift(config.drift, dataset, shares, config.federation.seed); // whether it can be
    });

    auto info = describe_run(config, layout, facts.classes);
    auto made_by = provenance_of(layout);
    together(ranks, [&] {
        if (first) {
            made_by.majority_share = majority_share(dataset.test.labels);
            made_by.data_checksum = checksum_of(config.data, dataset);
            io::ensure_same_data(observed.resumed_data, made_by.data_checksum, observed.checkpoints);
        }
    });
    info.mpi_ranks = world.size();
    info.hostnames = std::move(hostnames);

    const stopwatch since_start;
    progress shown(std::cerr, observed.style, terminal_columns(), [&] { return since_start.seconds(); });
    if (observed.style != progress_style::none) {
        if (const auto guarantee = fl::guarantee_of(config)) {
            shown.ends_after(guarantee->rounds());
        }
    }
    io::checkpoint_writer checkpoints(
        observed.checkpoints, config.checkpoint, [&] { return since_start.seconds(); },
        made_by.data_checksum);
    io::results_writer results(observed.results, std::move(made_by));
    std::vector<fl::observer*> observers{&checkpoints, &results, &shown};
    if (first) {
        observers.insert(observers.begin(), observed.lease.get());
    }

    auto residuals = client_files_of(config, command, observed.resumed, ranks);
    const auto result = fl::run(
        {.config = config, .data = dataset, .shares = shares, .clients = residuals}, ranks, info, observers,
        [&] { return signals.stop_requested(); }, std::move(observed.resumed));
    if (first) {
        return end(result, observed, config);
    }
    return result.complete ? exit_code::done : exit_code::stopped;
}

// How many ranks srun has started, this one among them; 1 where it was not srun. To be called before
// MPI_Init, which may set what tells, as it may set what launched_rank reads.
int ranks_by_srun() {
    const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");
    return tasks == nullptr || std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr ? 1 : std::atoi(tasks);
}

// Each of them would train the whole run.
std::string ranks_apart(int started) {
    return input_error(
               "the ranks don't find each other", fmt::format("SLURM_STEP_NUM_TASKS={}", started),
               "each is alone in its MPI; start them with srun --mpi=pmix and an MPI that speaks PMIx, "
               "or with mpirun, and a run of one rank in a step of one task")
        .what();
}

} // namespace

exit_code train(const train_command& command) {
    const int started = ranks_by_srun(), rank = launched_rank();
    int argc = 0;
    char** argv = nullptr;
    const comm::mpi_session session(argc, argv);
    if (started > 1 && comm::communicator::world().size() == 1) {
        if (rank == 0) {
            print_error(ranks_apart(started));
        }
        return exit_code::bad_input;
    }
    try {
        auto world = comm::communicator::world();
        return train_on(world, command);
    } catch (const ended_together& end) {
        return end.code;
    } catch (...) {
        // The other ranks may wait for this one.
        const auto problem = describe(std::current_exception());
        print_error(problem.reason);
        comm::abort_job(problem.code);
    }
}

} // namespace feddip::app
