#include "data/image_file.hpp"

#include "data/storage.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace feddip::data {

namespace {

constexpr std::int64_t most_classes = 256; // a label is a byte
constexpr std::uint64_t most_images = 1U << 31U;
constexpr std::uint64_t longest_side = 4096; // pixels, and channels

struct images_claim {
    std::size_t count;
    image_shape shape;
    pixel_kind pixels;
};

images_claim describe_images(const h5::foreign_source& file, const std::string& path) {
    const h5::dataset_claim claim = file.describe(path);
    const bool bytes = claim.type == h5::value_type::unsigned_integer && claim.value_size == 1;
    const bool floats = claim.type == h5::value_type::floating_point && claim.value_size == sizeof(float);
    if (claim.dimensions.size() != 4 || !(bytes || floats)) {
        file.refuse(path, "images must be uint8 or float32, N x channels x height x width");
    }
    if (claim.dimensions[0] > most_images) {
        file.refuse(path, fmt::format("{} images are more than {}", claim.dimensions[0], most_images));
    }
    const auto side = [&](std::size_t d) {
        if (claim.dimensions[d] > longest_side) {
            file.refuse(path, fmt::format("an image has an extent of {}, more than {}", claim.dimensions[d],
                                          longest_side));
        }
        return static_cast<int>(claim.dimensions[d]);
    };
    return {static_cast<std::size_t>(claim.dimensions[0]),
            {side(1), side(2), side(3)},
            bytes ? pixel_kind::bytes : pixel_kind::floats};
}

// One integer per image.
void require_integers(const h5::foreign_source& file, const std::string& path, std::size_t images) {
    const h5::dataset_claim claim = file.describe(path);
    if (claim.type != h5::value_type::unsigned_integer && claim.type != h5::value_type::signed_integer) {
        file.refuse(path, "it must hold integers");
    }
    if (claim.dimensions.size() != 1 || claim.count() != images) {
        file.refuse(path, fmt::format("it must hold one number for each of {} images", images));
    }
}

// Optional parts that go together.
bool have_both(const h5::foreign_source& file, const std::string& one, const std::string& other) {
    const bool first = file.has(one), second = file.has(other);
    if (first != second) {
        file.refuse(first ? other : one,
                    fmt::format("it is missing, where {} is there", first ? one : other));
    }
    return first;
}

std::vector<float> read_channels(const h5::foreign_source& file, const std::string& path, int channels) {
    if (file.describe(path).count() != static_cast<std::size_t>(channels)) {
        file.refuse(path, fmt::format("it must hold one number for each of {} channels", channels));
    }
    std::vector<float> values(static_cast<std::size_t>(channels));
    file.read(path, std::span(values));
    if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) {
        file.refuse(path, "it holds numbers that are not finite");
    }
    return values;
}

void require_memory(const h5::foreign_source& file, const dataset_facts& facts) {
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const auto memory = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
    if (pages > 0 && page > 0 && storage_size(facts) > memory) {
        file.refuse("/", fmt::format("its images need {} bytes, more than the {} of this machine's memory",
                                     storage_size(facts), memory));
    }
}

// Integers in 0 .. limit - 1, which is at most 2^31.
template <typename T>
void read_integers(const h5::foreign_source& file, const std::string& path, std::span<T> integers,
                   std::int64_t limit, const char* what) {
    std::vector<std::int64_t> values(integers.size());
    file.read(path, std::span(values));
    const auto wrong = std::ranges::find_if(values, [&](std::int64_t v) { return v < 0 || v >= limit; });
    if (wrong != values.end()) {
        file.refuse(path, fmt::format("{} {} of image {} is not between 0 and {}", what, *wrong,
                                      wrong - values.begin(), limit - 1));
    }
    std::ranges::transform(values, integers.begin(), [](std::int64_t v) { return static_cast<T>(v); });
}

void read_set(const h5::foreign_source& file, const dataset_facts& facts, const std::string& group,
              const mutable_set& set) {
    const std::string images = group + "/images";
    if (facts.pixels == pixel_kind::bytes) {
        file.read(images, set.pixels);
    } else {
        const std::span values(reinterpret_cast<float*>(set.pixels.data()),
                               set.pixels.size() / sizeof(float));
        file.read(images, values);
        const auto wrong = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
        if (wrong != values.end()) {
            file.refuse(images, fmt::format("image {} holds a number that is not finite",
                                            (wrong - values.begin()) /
                                                static_cast<std::ptrdiff_t>(facts.shape.size())));
        }
    }
    read_integers(file, group + "/labels", set.labels, facts.classes, "label");
}

} // namespace

dataset_facts facts_of(const h5::foreign_source& file) {
    const images_claim train = describe_images(file, "/train/images");
    const images_claim test = describe_images(file, "/test/images");
    if (test.shape != train.shape || test.pixels != train.pixels) {
        file.refuse("/test/images", "its images have another shape or type than those in /train/images");
    }
    const std::int64_t classes = file.attribute("classes");
    if (classes < 1 || classes > most_classes) {
        file.refuse("/@classes", fmt::format("{} is not between 1 and {}", classes, most_classes));
    }
    require_integers(file, "/train/labels", train.count);
    require_integers(file, "/test/labels", test.count);

    dataset_facts facts{config::dataset_name::file, train.shape, static_cast<int>(classes), train.count,
                        test.count};
    facts.pixels = train.pixels;
    facts.has_clients = have_both(file, "/train/clients", "/test/clients");
    if (facts.has_clients) {
        require_integers(file, "/train/clients", train.count);
        require_integers(file, "/test/clients", test.count);
    }
    if (have_both(file, "/mean", "/deviation")) {
        facts.mean = read_channels(file, "/mean", train.shape.channels);
        facts.deviation = read_channels(file, "/deviation", train.shape.channels);
        if (std::ranges::min(facts.deviation) <= 0) {
            file.refuse("/deviation", "it must be greater than 0");
        }
    }
    if (file.has("/class_names")) {
        facts.class_names = file.read_texts("/class_names", most_classes);
        if (facts.class_names.size() != static_cast<std::size_t>(classes)) {
            file.refuse("/class_names",
                        fmt::format("it has {} names for {} classes", facts.class_names.size(), classes));
        }
    }
    require_memory(file, facts);
    return facts;
}

dataset read_images(const h5::foreign_source& file, const dataset_facts& facts,
                    std::span<std::byte> storage) {
    const mutable_dataset parts = divide(facts, storage);
    read_set(file, facts, "/train", parts.train);
    read_set(file, facts, "/test", parts.test);
    if (facts.has_clients) {
        // Every client has a training image, so that there are no more of them than of those.
        read_integers(file, "/train/clients", parts.train.clients,
                      static_cast<std::int64_t>(facts.train_size), "client");
        const std::int64_t clients = std::int64_t{std::ranges::max(parts.train.clients)} + 1;
        read_integers(file, "/test/clients", parts.test.clients, clients, "client");
    }
    return view(facts, storage);
}

} // namespace feddip::data
