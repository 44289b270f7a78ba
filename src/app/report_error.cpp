#include "app/report_error.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <thread>

namespace feddip::app {

failure describe(const std::exception_ptr& problem) {
    try {
        std::rethrow_exception(problem);
    } catch (const input_error& e) {
        return {exit_code::bad_input, e.what()};
    } catch (const error& e) {
        return {exit_code::failed, e.what()};
    } catch (const std::bad_alloc&) {
        return {exit_code::failed,
                error("out of memory", "feddip", "an allocation failed; more ranks per node need more memory")
                    .what()};
    } catch (const std::exception& e) {
        return {exit_code::failed, error("unexpected failure", "feddip", e.what()).what()};
    } catch (...) {
        return {exit_code::failed, error("unexpected failure", "feddip", "of unknown kind").what()};
    }
}

void print_error(const std::string& reason) {
    // One write, so that the lines of several ranks do not mix.
    auto line = "feddip: error: " + reason;
    std::ranges::replace(line, '\n', ' ');
    line += '\n';
    std::fwrite(line.data(), 1, line.size(), stderr);
}

int launched_rank() {
    for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}) {
        if (const char* value = std::getenv(name); value != nullptr) {
            return std::atoi(value);
        }
    }
    return 0;
}

void print_error_once(const std::string& reason) {
    if (launched_rank() == 0) {
        print_error(reason);
    } else {
        // Less than the five seconds that jobs/slurm.sh has srun wait: what srun kills looks like a lost node.
        std::this_thread::sleep_for(std::chrono::seconds(3));
    }
}

} // namespace feddip::app
