#include "data/checksum.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include <memory>
#include <new>

namespace feddip::data {

namespace {

class hash {
public:
    hash() : state_(XXH3_createState()) {
        if (!state_ || XXH3_64bits_reset(state_.get()) != XXH_OK) {
            throw std::bad_alloc();
        }
    }

    template <typename Values>
    void add(const Values& values) {
        // It fails for a null state alone.
        XXH3_64bits_update(state_.get(), values.data(), values.size() * sizeof(*values.data()));
    }
    XXH64_hash_t digest() const { return XXH3_64bits_digest(state_.get()); }

private:
    struct closer {
        void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
    };
    std::unique_ptr<XXH3_state_t, closer> state_;
};

} // namespace

std::string checksum(const dataset& data) {
    const auto& f = data.facts;
    hash all;
    // Lengths too, so that no number of one part is taken for one of the next.
    all.add(fmt::format("{} {} {} {} {} {} {} {} {} {}", f.shape.channels, f.shape.height, f.shape.width,
                        f.classes, f.train_size, f.test_size, static_cast<int>(f.pixels), f.has_clients,
                        f.mean, f.deviation));
    for (const image_set* set : {&data.train, &data.test}) {
        all.add(set->pixels);
        all.add(set->labels);
        all.add(set->clients);
    }
    return fmt::format("{:016x}", all.digest());
}

} // namespace feddip::data
