#include "app/agreement.hpp"
#include "app/commands.hpp"
#include "app/experiment.hpp"
#include "app/idle_settings.hpp"
#include "app/progress.hpp"
#include "app/report_error.hpp"
#include "app/resume.hpp"
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
#include <filesystem>
#include <iostream>
#include <memory>
#include <span>
#include <vector>

namespace feddip::app {

namespace {

// What rank 0 watches a run with.
struct observation {
    progress_style style = progress_style::none;
    std::unique_ptr<io::run_lease> lease;
    earlier_run before;
};

// What it gets who takes every image for the most frequent class.
double majority_share(std::span<const std::uint8_t> labels) {
    std::array<std::size_t, 256> images{};
    for (const std::uint8_t label : labels) {
        ++images[label];
    }
    return static_cast<double>(std::ranges::max(images)) / static_cast<double>(labels.size());
}

// Everything that could keep the run from being recorded, before anything is started.
observation prepare_observation(const run_files& files, bool resume, const config::run_config& config) {
    for (const auto& idle : idle_settings(config)) {
        log::warning("{}", idle);
    }
    observation o;
    o.style = choose_progress_style();
    const auto ensure_free = [&] {
        io::ensure_writable(files.results, resume);
        io::ensure_checkpoints_writable(files.checkpoints, resume);
    };
    ensure_free();
    o.lease = std::make_unique<io::run_lease>(files.results, files.checkpoints);
    ensure_free(); // another job may have come and gone
    if (resume) {
        o.before = find_earlier_run(files, config);
    }
    if (!o.before.complete) {
        io::remove_later_client_files(files.checkpoints, o.before.state ? o.before.state->rounds_done : 0);
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

exit_code end(const fl::run_result& result, const run_files& files, const config::run_config& config) {
    if (result.complete) {
        fmt::print("{}\n", files.results.string());
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
io::client_files client_files_of(const std::filesystem::path& stem, const config::run_config& config,
                                 bool resume, const earlier_run& before, fl::transport& ranks) {
    if (!config.checkpoint.none()) {
        return {stem, io::versions::all};
    }
    std::int32_t checkpointed = before.state ? before.state->rounds_done : 0;
    if (resume) {
        checkpointed = fl::broadcast(ranks, std::span<const std::int32_t>(&checkpointed, 1)).front();
    }
    return {stem, io::versions::newest, checkpointed};
}

exit_code train_on(comm::communicator& world, const train_command& command) {
    const stop_signals signals;
    const bool first = world.rank() == 0;
    log::configure(world.size() > 1 ? world.rank() : -1, log::level::info);
    auto hostnames = comm::hostnames(world);
    comm::mpi_transport ranks(comm::communicator(world.handle()));

    config::run_config config;
    run_files files;
    observation observed;
    together(ranks, [&] {
        config = load_config(command.config, command.overrides);
        files = files_of(config, command.out);
    });
    together(ranks, [&] {
        if (first) {
            observed = prepare_observation(files, command.resume, config);
        }
    });
    if (command.resume && ranks.any(observed.before.complete)) {
        if (first) {
            fmt::print("{}\n", files.results.string());
        }
        return exit_code::done;
    }
    omp_set_num_threads(config.compute.threads);
    signals.keep_from_workers();

    data::dataset_facts facts;
    parameter_layout layout;
    together(ranks, [&] {
        facts = data::facts_of(config.data);
        layout = layout_for(config);
    });
    comm::shared_buffer storage(world, data::storage_size(facts));
    const auto dataset = load_dataset(config.data, facts, ranks, storage);
    data::partition shares;
    std::string checksum; // where this rank has read the data of its machine
    together(ranks, [&] {
        checksum = storage.leader() ? checksum_of(config.data, dataset) : "";
        shares =
            data::make_partition(dataset, config.data, config.federation.clients, config.federation.seed);
        data::drift(config.drift, dataset, shares, config.federation.seed); // whether it can be
        if (first) {
            for (const auto& warning : warnings_of_budgets(config, layout, images_of(shares, config))) {
                log::warning("{}", warning);
            }
        }
    });

    auto info = describe_run(config, layout, facts.classes);
    auto made_by = provenance_of(layout);
    const auto checksums = comm::gather_text(world, checksum);
    together(ranks, [&] {
        if (first) {
            made_by.majority_share = majority_share(dataset.test.labels);
            made_by.data_checksum = common_checksum(checksums, hostnames);
            io::ensure_same_data(observed.before.data_checksum, made_by.data_checksum, files.checkpoints);
        }
    });
    info.mpi_ranks = world.size();
    if (first && world.size() == 1 && !config.federation.rank0_trains) {
        log::warning("federation.rank0_trains = false does nothing: there is one rank");
    }
    info.hostnames = std::move(hostnames);

    const stopwatch since_start;
    progress shown(std::cerr, observed.style, terminal_columns(), [&] { return since_start.seconds(); });
    if (observed.style != progress_style::none) {
        if (const auto guarantee = fl::guarantee_of(config)) {
            shown.ends_after(guarantee->rounds());
        }
    }
    io::checkpoint_writer checkpoints(
        files.checkpoints, config.checkpoint, [&] { return since_start.seconds(); }, made_by.data_checksum);
    io::results_writer results(files.results, std::move(made_by));
    std::vector<fl::observer*> observers{&checkpoints, &results, &shown};
    if (first) {
        observers.insert(observers.begin(), observed.lease.get());
    }

    auto residuals = client_files_of(files.checkpoints, config, command.resume, observed.before, ranks);
    const auto result = fl::run(
        {.config = config, .data = dataset, .shares = shares, .clients = residuals}, ranks, info, observers,
        [&] { return signals.stop_requested(); }, std::move(observed.before.state));
    if (first) {
        return end(result, files, config);
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
