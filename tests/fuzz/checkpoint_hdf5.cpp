// The checkpoint reader with HDF5: what checkpoint.cpp does in memory goes through a file here, and what is
// accepted is written and read again. Milliseconds for each input.
#include "checkpoint_datasets.hpp"

namespace feddip::fuzz {
namespace {

std::vector<std::byte> image_of(const std::vector<dataset>& all) {
    auto file = h5::file::create("edited");
    for (const dataset& d : all) {
        if (d.present) {
            std::visit([&](const auto& content) { file.write(d.path, content); }, d.content);
        }
    }
    return file.image();
}

void require_same_again(const io::checkpoint& c) {
    const auto again =
        io::decode_checkpoint(io::encode_checkpoint(c.config_toml, c.state, c.data_checksum), "again");
    require(again.state.model.mask == c.state.model.mask &&
                again.state.history.size() == c.state.history.size(),
            "an accepted checkpoint changes when it is written again");
}

} // namespace
} // namespace feddip::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    static const std::vector<fuzz::dataset> good = fuzz::good_checkpoint();
    if (size == 0) {
        return 0;
    }
    try {
        auto all = good;
        fuzz::edit(all, std::span(data + 1, size - 1));
        const auto c = io::decode_checkpoint_content(fuzz::image_of(all), "input");
        fuzz::require_whole(c);
        fuzz::require_same_again(c);
    } catch (const error&) { // refused, as most inputs should be
    }
    return 0;
}
