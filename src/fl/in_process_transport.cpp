#include "fl/in_process_transport.hpp"

#include "base/error.hpp"
#include "fl/slot_tree.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace feddip::fl {

namespace {

void check_owners(std::span<const int> owner_of_slot) {
    const auto elsewhere = std::ranges::find_if(owner_of_slot, [](int owner) { return owner != 0; });
    if (elsewhere != owner_of_slot.end()) {
        throw error("a sum can't be taken", "in-process transport",
                    fmt::format("there is no rank {}", *elsewhere));
    }
}

} // namespace

std::unique_ptr<slot_sum> in_process_transport::start_sum(std::span<const int> owner_of_slot,
                                                          std::size_t length) {
    check_owners(owner_of_slot);
    return make_slot_sum(owner_of_slot, 0, length, std::make_unique<dense_link>());
}

std::unique_ptr<sparse_slot_sum> in_process_transport::start_sparse_sum(std::span<const int> owner_of_slot,
                                                                        const parameter_layout& layout,
                                                                        const sparse::mask*) {
    check_owners(owner_of_slot);
    return make_sparse_slot_sum(owner_of_slot, 0, layout.prunable_size(), std::make_unique<sparse_link>());
}

std::vector<std::vector<std::byte>> in_process_transport::gather(std::span<const std::byte> mine) {
    return {std::vector<std::byte>(mine.begin(), mine.end())};
}

} // namespace feddip::fl
