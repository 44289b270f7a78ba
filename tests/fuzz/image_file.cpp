// The reader of files of one's own, without HDF5 (image_file_hdf5 has it): what datasets claim and hold comes
// from the input. For each dataset of the layout, as long as there are bytes:
//   u8 type (255: the dataset is missing), u8 number of dimensions, u8 each, u8 repeats of a 16-byte pattern
// and a good file stands for what the input does not reach. Last two bytes: the attribute.
#include "data/image_file.hpp"

#include "base/error.hpp"
#include "data/partition.hpp"
#include "data/transform.hpp"
#include "require.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

namespace feddip::fuzz {
namespace {

constexpr std::array paths{"/train/images", "/train/labels", "/test/images", "/test/labels", "/train/clients",
                           "/test/clients", "/class_names",  "/mean",        "/deviation"};
constexpr std::uint8_t missing = 255;
constexpr std::size_t stored_at_most = 1 << 20; // bytes: what HDF5 would not find in the file it refuses

struct content {
    h5::dataset_claim claim;
    std::vector<std::byte> bytes;
};

class in_memory : public h5::foreign_source {
public:
    const std::string& name() const override { return name_; }
    bool has(const std::string& path) const override { return datasets.contains(path); }
    h5::dataset_claim describe(const std::string& path) const override {
        const auto found = datasets.find(path);
        if (found == datasets.end()) {
            refuse(path, "missing");
        }
        return found->second.claim;
    }
    std::int64_t attribute(const std::string&) const override { return classes; }

    std::map<std::string, content> datasets;
    std::int64_t classes = 3;

private:
    // Bytes as they are, whatever type is asked for.
    void copy(const std::string& path, void* values, std::size_t bytes) const {
        const auto& stored = datasets.at(path).bytes;
        if (bytes > 0) {
            std::memset(values, 0, bytes);
        }
        for (std::size_t done = 0; done < bytes && !stored.empty(); done += stored.size()) {
            std::memcpy(static_cast<std::byte*>(values) + done, stored.data(),
                        std::min(stored.size(), bytes - done));
        }
    }
    void read_numbers(const std::string& path, hid_t type, void* values) const override {
        copy(path, values, datasets.at(path).claim.count() * H5Tget_size(type));
    }
    void read_characters(const std::string& path, std::size_t length, char* values) const override {
        copy(path, values, datasets.at(path).claim.count() * length);
    }

    std::string name_ = "input";
};

in_memory good() {
    in_memory file;
    const auto put = [&](const char* path, const h5::shape& dimensions) {
        content& made = file.datasets[path];
        made.claim.dimensions = dimensions;
        made.claim.type = h5::value_type::unsigned_integer;
        made.claim.value_size = 1;
    };
    put("/train/images", {4, 1, 2, 2});
    put("/train/labels", {4});
    put("/test/images", {3, 1, 2, 2});
    put("/test/labels", {3});
    return file;
}

void edit(in_memory& file, std::span<const std::uint8_t> input) {
    if (input.size() >= 2) {
        std::int16_t classes = 0;
        std::memcpy(&classes, input.last(2).data(), 2);
        file.classes = classes;
        input = input.first(input.size() - 2);
    }
    const auto next = [&] {
        const std::uint8_t value = input.empty() ? 0 : input.front();
        input = input.subspan(std::min<std::size_t>(1, input.size()));
        return value;
    };
    for (const char* path : paths) {
        if (input.empty()) {
            return;
        }
        const std::uint8_t type = next();
        if (type == missing) {
            file.datasets.erase(path);
            continue;
        }
        h5::dataset_claim claim;
        claim.type = static_cast<h5::value_type>(type % 4);
        claim.value_size = std::size_t{1} << (type / 4 % 8);
        claim.dimensions.resize(1 + next() % 4);
        for (auto& extent : claim.dimensions) {
            extent = std::max<hsize_t>(1, next());
        }
        std::vector<std::byte> bytes(next() % 17);
        for (auto& b : bytes) {
            b = std::byte{next()};
        }
        if (claim.count() <= stored_at_most / claim.value_size) {
            file.datasets[path] = {claim, bytes};
        }
    }
}

void require_sound(const data::dataset& d) {
    for (const auto* set : {&d.train, &d.test}) {
        require(std::ranges::all_of(set->labels, [&](int l) { return l < d.facts.classes; }),
                "a label out of range");
        require(set->pixels.size() == set->size() * d.facts.image_bytes(), "images of another size");
        require(set->clients.size() == (d.facts.has_clients ? set->size() : 0), "clients of other images");
    }
    require(d.facts.class_names.empty() ||
                d.facts.class_names.size() == static_cast<std::size_t>(d.facts.classes),
            "names of other classes");
    std::vector<float> image(d.facts.shape.size());
    data::transform(d.facts).normalize(d.train.pixels.first(d.facts.image_bytes()), image);
    config::data_section settings;
    settings.partition = config::partition_kind::given;
    const auto clients = d.train.clients.empty() ? 1 : std::ranges::max(d.train.clients) + 1;
    std::size_t dealt = 0;
    for (const auto& share : data::make_partition(d, settings, clients, 1).train) {
        dealt += share.size();
    }
    require(dealt == d.train.size(), "not every image is dealt");
}

} // namespace
} // namespace feddip::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    auto file = fuzz::good();
    fuzz::edit(file, {data, size});
    try {
        const auto facts = data::facts_of(file);
        std::vector<std::byte> storage(data::storage_size(facts));
        fuzz::require_sound(data::read_images(file, facts, storage));
    } catch (const input_error&) { // refused, as most inputs should be
    }
    return 0;
}
