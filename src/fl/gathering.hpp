// What all ranks report to rank 0 after a round's training.
#pragma once

#include "fl/packing.hpp"
#include "fl/transport.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace feddip::fl {

// On rank 0; elsewhere of nobody.
template <typename Report>
struct gathered {
    Report report;               // of all ranks
    std::uint64_t mpi_bytes = 0; // handed to MPI on all ranks since the gathering before
};

// Of a type with append_to(message), and join(message), which adds what another rank has appended.
template <typename Report>
class gathering {
public:
    // Collective. Owners ascend with slots, so that what ranks report, one after the other, is in slot order.
    gathered<Report> run(const Report& mine, transport& ranks) {
        const std::uint64_t sent = ranks.bytes_sent();
        std::vector<std::byte> message;
        append(message, std::span(&sent, 1));
        mine.append_to(message);
        gathered<Report> all;
        std::uint64_t since_start = 0;
        const auto messages = ranks.gather(message);
        for (std::span<const std::byte> rest : messages) {
            since_start += take_one<std::uint64_t>(rest);
            all.report.join(rest);
        }
        all.mpi_bytes = since_start - std::exchange(before_, since_start);
        return all;
    }

private:
    std::uint64_t before_ = 0; // bytes since the run began
};

} // namespace feddip::fl
