// The checkpoint reader. With an odd first byte the rest is the file; its checksum stops nearly all of them.
// With an even one, behind the checksum and behind HDF5, which sees only files whose checksum is right: the
// rest edits the datasets of a good checkpoint, which are read as they lie in memory. HDF5 would take a
// thousand times as long; checkpoint_hdf5.cpp has it take part.
#include "checkpoint_datasets.hpp"

#include <map>

namespace feddip::fuzz {
namespace {

class datasets_in_memory : public h5::dataset_source {
public:
    explicit datasets_in_memory(const std::vector<dataset>& all) {
        for (const dataset& d : all) {
            if (d.present) {
                by_path_[d.path] = &d.content;
            }
        }
    }

    const std::string& name() const override { return name_; }
    bool has(const std::string& path) const override { return by_path_.contains(path); }

private:
    const values& at(const std::string& path) const {
        const auto found = by_path_.find(path);
        if (found == by_path_.end()) {
            throw error("can't read dataset", path, "it is not there");
        }
        return *found->second;
    }

    std::size_t readable_size(const std::string& path, std::size_t) const override {
        return std::visit([](const auto& content) { return content.size(); }, at(path));
    }

    void read_raw(const std::string& path, hid_t type, void* into) const override {
        std::visit(
            [&]<typename T>(const std::vector<T>& content) {
                require(type == h5::native_type<T>(), "a dataset is read as another type than it is");
                std::ranges::copy(content, static_cast<T*>(into));
            },
            at(path));
    }

    std::string name_ = "input";
    std::map<std::string, const values*> by_path_;
};

} // namespace
} // namespace feddip::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    static const std::vector<fuzz::dataset> good = fuzz::good_checkpoint();
    if (size == 0) {
        return 0;
    }
    const std::span rest(data + 1, size - 1);
    try {
        if (data[0] % 2 == 1) {
            fuzz::require_whole(io::decode_checkpoint(std::as_bytes(rest), "input"));
        } else {
            auto all = good;
            fuzz::edit(all, rest);
            fuzz::require_whole(io::decode_checkpoint_content(fuzz::datasets_in_memory(all)));
        }
    } catch (const error&) { // refused, as most inputs should be
    }
    return 0;
}
