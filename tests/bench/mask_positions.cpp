// What do positions cost in a real run, against the bound sum over layers of log2 C(n, k)?
//     mask_positions RESULTS.h5
// takes the masks that the run's checkpoints hold (checkpoint.keep must be large enough) and prints for each
// as a Markdown row: its version, sparsity, bound, and what it takes afresh and as the difference to the mask
// before it and to the fourth before it, in bytes and in bounds. All masks are decoded again and compared.
#include "app/experiment.hpp"
#include "config/config.hpp"
#include "io/checkpoint.hpp"
#include "io/files.hpp"
#include "sparse/codec.hpp"

#include <fmt/format.h>

#include <exception>
#include <iostream>
#include <map>
#include <stdexcept>

namespace {

using namespace feddip;

constexpr std::uint32_t far_back = 4; // versions

struct masks_of_run {
    parameter_layout layout;
    std::map<std::uint32_t, sparse::mask> by_version;
};

masks_of_run read_masks(const std::filesystem::path& results) {
    masks_of_run masks;
    for (const auto& [round, path] : io::checkpoints_of(io::checkpoint_stem(results, ""))) {
        auto checkpoint = io::decode_checkpoint(io::read_file(path), path.string());
        masks.layout = app::layout_for(config::parse(checkpoint.config_toml, path.string(), {}));
        auto& model = checkpoint.state.model;
        masks.by_version[model.mask_version] = std::move(model.mask);
        for (auto& recent : checkpoint.state.recent_masks) {
            masks.by_version[recent.version] = std::move(recent.mask);
        }
    }
    return masks;
}

// "bytes | bounds"; empty where there is no such base.
std::string cost(const masks_of_run& masks, const sparse::mask& mask, const sparse::mask* base,
                 double bound) {
    const auto code = sparse::encode(mask, masks.layout, base);
    if (sparse::decode(code, masks.layout, base) != mask) {
        throw std::runtime_error("a coded mask came back as another");
    }
    return fmt::format("{} | {:.3f}", code.size(), static_cast<double>(code.size()) / bound);
}

void print(const masks_of_run& masks) {
    fmt::print("| version | sparsity, % | bound, bytes | afresh | / bound | after the one before | / bound "
               "| after the {}th before | / bound |\n|---|---|---|---|---|---|---|---|---|\n",
               far_back);
    for (const auto& [version, mask] : masks.by_version) {
        if (version == 0) {
            continue;
        }
        const double bound = sparse::information_bound(mask, masks.layout) / 8;
        const auto after = [&, version = version, &mask = mask](std::uint32_t versions) -> std::string {
            const auto base = masks.by_version.find(version - versions);
            return version <= versions || base == masks.by_version.end()
                       ? " | "
                       : cost(masks, mask, &base->second, bound);
        };
        fmt::print("| {} | {:.1f} | {:.0f} | {} | {} | {} |\n", version, 100 * mask.sparsity(), bound,
                   cost(masks, mask, nullptr, bound), after(1), after(far_back));
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 2) {
            throw std::runtime_error("usage: mask_positions RESULTS.h5");
        }
        print(read_masks(argv[1]));
        return 0;
    } catch (const std::exception& problem) {
        std::cerr << problem.what() << '\n';
        return 2;
    }
}
