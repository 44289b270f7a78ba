#include "sparse/codec.hpp"

#include "base/error.hpp"
#include "sparse/gap_blocks.hpp"
#include "sparse/gap_coder.hpp"
#include "sparse/packed_bits.hpp"
#include "sparse/varint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>

namespace feddip::sparse {

namespace {

// The gaps of few marks stand in one stream of version 1. Where a mask has many, populations that have some
// go into blocks, which take a tenth of a kilobyte more and a third of the time.
constexpr std::uint8_t streamed = 1;
constexpr std::uint8_t in_blocks = 2;
constexpr std::size_t many_marks = std::size_t{1} << 15;
constexpr std::size_t some_marks = std::size_t{1} << 13;
constexpr std::uint64_t all_ones = ~std::uint64_t{0};

[[noreturn]] void damaged(std::string_view why) {
    throw error("a coded mask can't be read", "decoding", why);
}

// The bits of one layer of a mask, which may start in the middle of a word; without a mask, as if all were
// dead.
class layer_view {
public:
    layer_view(const mask* m, std::size_t first, std::size_t size)
        : words_(m == nullptr ? std::span<const std::uint64_t>() : m->words()), first_(first), size_(size) {}

    bool all_dead() const { return words_.empty(); }
    std::size_t word_count() const { return (size_ + 63) / 64; }

    // Bits [64 w, 64 (w + 1)) of the layer; those past its end are 0.
    std::uint64_t word(std::size_t w) const {
        if (all_dead()) {
            return 0;
        }
        const std::size_t from = first_ / 64 + w;
        const std::size_t shift = first_ % 64;
        std::uint64_t bits = words_[from] >> shift;
        if (shift != 0 && from + 1 < words_.size()) {
            bits |= words_[from + 1] << (64 - shift);
        }
        return bits & valid(w);
    }

    // Those of its positions where a bit can be.
    std::uint64_t valid(std::size_t w) const {
        return size_ - w * 64 >= 64 ? all_ones : (std::uint64_t{1} << (size_ % 64)) - 1;
    }

    // The positions of a word that are alive, or dead, in this mask.
    std::uint64_t members(std::size_t w, bool alive) const {
        return all_dead() ? (alive ? 0 : valid(w)) : (alive ? word(w) : ~word(w) & valid(w));
    }

private:
    std::span<const std::uint64_t> words_;
    std::size_t first_;
    std::size_t size_;
};

std::size_t count(std::uint64_t bits) {
    return bits == all_ones ? 64 : static_cast<std::size_t>(std::popcount(bits));
}

// Some positions of a layer, of which `alive` are alive. The rarer kind is marked, and the marks are coded.
struct population {
    std::size_t positions = 0;
    std::size_t alive = 0;

    bool marks_alive() const { return alive <= positions - alive; }
    std::size_t marked() const { return std::min(alive, positions - alive); }
    // The entropy in bits of marks at this rate.
    double entropy() const {
        const double k = static_cast<double>(marked());
        const double n = static_cast<double>(positions);
        return k == 0 ? 0 : k * std::log2(n / k) + (n - k) * std::log2(n / (n - k));
    }
};

// A layer and how it is coded: the weights dead in the base and those alive in it are two populations. Fresh
// is the difference to a base in which all are dead.
struct coded_layer {
    std::size_t first = 0;
    std::size_t size = 0;
    bool difference = false;
    std::array<population, 2> by_base; // [0] dead in the base, [1] alive in it
};

// Makes alive what is alive in `bits`, starting at position `first`.
void set_bits(mask& m, std::size_t first, std::uint64_t bits) {
    const auto words = m.words();
    const std::size_t shift = first % 64;
    words[first / 64] |= bits << shift;
    if (shift != 0 && bits >> (64 - shift) != 0) {
        words[first / 64 + 1] |= bits >> (64 - shift);
    }
}

void put_population(const layer_view& layer, const layer_view& base, const population& p, bool alive_in_base,
                    gap_encoder& encoder) {
    if (p.marked() == 0) {
        return;
    }
    const gap_model model(p.positions, p.marked());
    const std::uint64_t flip = p.marks_alive() ? 0 : all_ones;
    std::size_t before = p.positions; // members before the word
    std::size_t last = p.positions;   // the mark found last, or none yet
    for (std::size_t w = layer.word_count(); w-- > 0;) {
        const std::uint64_t in = base.members(w, alive_in_base);
        before -= count(in);
        for (std::uint64_t marks = in & (layer.word(w) ^ flip); marks != 0;) {
            const int bit = 63 - std::countl_zero(marks);
            marks ^= std::uint64_t{1} << bit;
            const std::size_t mark = before + rank_of(in, bit);
            if (last != p.positions) {
                encoder.put(model, last - mark - 1);
            }
            last = mark;
        }
    }
    encoder.put(model, last);
}

// Finds the members of a population by their number, which must ascend from call to call.
class member_finder {
public:
    member_finder(const layer_view& base, bool alive_in_base)
        : base_(base), alive_(alive_in_base), members_(base.members(0, alive_in_base)),
          count_(count(members_)) {}

    // Its position in the layer.
    std::size_t find(std::size_t number) {
        if (base_.all_dead()) {
            return number;
        }
        while (number >= before_ + count_) {
            before_ += count_;
            members_ = base_.members(++word_, alive_);
            count_ = count(members_);
        }
        return word_ * 64 + static_cast<std::size_t>(bit_of(members_, number - before_));
    }

private:
    const layer_view& base_;
    bool alive_;
    std::uint64_t members_;
    std::size_t count_;
    std::size_t word_ = 0;
    std::size_t before_ = 0; // members before the word
};

void set_members(mask& m, const coded_layer& c, const layer_view& base, bool alive_in_base) {
    for (std::size_t w = 0; w < base.word_count(); ++w) {
        set_bits(m, c.first + w * 64, base.members(w, alive_in_base));
    }
}

void take_population(gap_decoder& decoder, const layer_view& base, const coded_layer& c, bool alive_in_base,
                     mask& m) {
    const population& p = c.by_base[alive_in_base ? 1 : 0];
    if (!p.marks_alive()) {
        set_members(m, c, base, alive_in_base);
    }
    if (p.marked() == 0) {
        return;
    }
    decoder.use(gap_model(p.positions, p.marked()));
    member_finder finder(base, alive_in_base);
    std::size_t next = 0; // the first number that the next mark can have
    for (std::size_t left = p.marked(); left > 0; --left) {
        const std::size_t mark = next + decoder.take(p.positions - left - next);
        m.set(c.first + finder.find(mark), p.marks_alive());
        next = mark + 1;
    }
}

std::uint8_t version_for(std::size_t marked) {
    return marked < many_marks ? streamed : in_blocks;
}

bool goes_into_blocks(const population& p, std::uint8_t version) {
    return version == in_blocks && p.marked() >= some_marks && p.positions <= most_block_positions;
}

// Calls f(first word, members of the population) for the layer's words, some at a time.
template <typename F>
void for_each_stretch(const layer_view& base, bool alive_in_base, F&& f) {
    std::array<std::uint64_t, 256> members{};
    for (std::size_t first = 0; first < base.word_count(); first += members.size()) {
        const std::size_t words = std::min(members.size(), base.word_count() - first);
        for (std::size_t i = 0; i < words; ++i) {
            members[i] = base.members(first + i, alive_in_base);
        }
        f(first, std::span<const std::uint64_t>(members).first(words));
    }
}

// Packed, the members of a population are a layer of their own.
void put_population_blocks(const mask& m, const coded_layer& c, const layer_view& base, bool alive_in_base,
                           std::vector<std::byte>& bytes) {
    const population& p = c.by_base[alive_in_base ? 1 : 0];
    if (base.all_dead()) {
        put_blocks(m.words(), c.first, p.positions, p.marks_alive(), p.marked(), bytes);
        return;
    }
    const layer_view layer(&m, c.first, c.size);
    std::vector<std::uint64_t> packed(p.positions / 64 + 2);
    std::array<std::uint64_t, 256> bits{};
    std::size_t at = 0;
    for_each_stretch(base, alive_in_base, [&](std::size_t first, std::span<const std::uint64_t> members) {
        for (std::size_t i = 0; i < members.size(); ++i) {
            bits[i] = layer.word(first + i);
        }
        at = pack_bits(bits, members, packed, at);
    });
    put_blocks(packed, 0, p.positions, p.marks_alive(), p.marked(), bytes);
}

std::span<const std::byte> take_population_blocks(std::span<const std::byte> bytes, const layer_view& base,
                                                  const coded_layer& c, bool alive_in_base, mask& m) {
    const population& p = c.by_base[alive_in_base ? 1 : 0];
    if (base.all_dead()) {
        if (!p.marks_alive()) {
            set_members(m, c, base, alive_in_base);
        }
        return take_blocks(bytes, m.words(), c.first, p.positions, p.marked());
    }
    std::vector<std::uint64_t> packed(p.positions / 64 + 2);
    bytes = take_blocks(bytes, packed, 0, p.positions, p.marked());
    std::array<std::uint64_t, 256> marks{};
    std::size_t at = 0;
    for_each_stretch(base, alive_in_base, [&](std::size_t first, std::span<const std::uint64_t> members) {
        at = unpack_bits(packed, at, members, marks);
        for (std::size_t i = 0; i < members.size(); ++i) {
            set_bits(m, c.first + (first + i) * 64, p.marks_alive() ? marks[i] : members[i] ^ marks[i]);
        }
    });
    return bytes;
}

// Words take turns on as many chains as the version says, for a processor can follow several at once.
std::uint32_t hash(const mask& m, std::uint8_t version) {
    constexpr std::uint64_t factor = 0x9E3779B97F4A7C15U;
    const auto next = [](std::uint64_t h, std::uint64_t word) {
        h = (h ^ word) * factor;
        return h ^ h >> 32U;
    };
    const auto words = m.words();
    std::uint64_t h = m.size();
    std::size_t w = 0;
    if (version == in_blocks) {
        std::array<std::uint64_t, 4> chains{1, 2, 3, 4};
        for (; w + 4 <= words.size(); w += 4) {
            for (std::size_t i = 0; i < 4; ++i) {
                chains[i] = next(chains[i], words[w + i]);
            }
        }
        for (const std::uint64_t chain : chains) {
            h = next(h, chain);
        }
    }
    for (; w < words.size(); ++w) {
        h = next(h, words[w]);
    }
    return static_cast<std::uint32_t>(h);
}

void check_size(const mask& m, const parameter_layout& layout, std::string_view which) {
    if (m.size() != layout.prunable_size()) {
        throw error("a mask does not fit its model", which,
                    fmt::format("it covers {} weights, the model has {}", m.size(), layout.prunable_size()));
    }
}

class reader {
public:
    explicit reader(std::span<const std::byte> bytes) : rest_(bytes) {}

    std::uint64_t number(unsigned bytes) {
        std::uint64_t value = 0;
        for (unsigned i = 0; i < bytes; ++i) {
            value |= std::uint64_t{take()} << (8 * i);
        }
        return value;
    }

    std::uint64_t varint() { return take_varint(rest_, damaged); }

    std::span<const std::byte> rest() const { return rest_; }
    void go_to(std::span<const std::byte> rest) { rest_ = rest; }

private:
    std::uint8_t take() {
        if (rest_.empty()) {
            damaged("it ends too early");
        }
        const auto byte = std::to_integer<std::uint8_t>(rest_.front());
        rest_ = rest_.subspan(1);
        return byte;
    }

    std::span<const std::byte> rest_;
};

// Both ways to code a layer, and the bits that the difference saves.
struct choice {
    coded_layer fresh, difference;
    double saved_bits = 0;
};

choice weigh(const mask& m, const mask* base, const parameter& tensor) {
    choice c;
    const std::size_t alive = m.count(tensor.offset, tensor.size);
    c.fresh = {tensor.offset, tensor.size, false, {population{tensor.size, alive}, population{}}};
    if (base != nullptr) {
        const layer_view layer(&m, tensor.offset, tensor.size);
        const layer_view held(base, tensor.offset, tensor.size);
        std::size_t held_alive = 0;
        std::size_t kept = 0;
        for (std::size_t w = 0; w < layer.word_count(); ++w) {
            held_alive += count(held.word(w));
            kept += count(layer.word(w) & held.word(w));
        }
        const population was_dead{tensor.size - held_alive, alive - kept};
        const population was_alive{held_alive, kept};
        c.difference = {tensor.offset, tensor.size, true, {was_dead, was_alive}};
        constexpr double second_count_bits = 16;
        c.saved_bits =
            c.fresh.by_base[0].entropy() - was_dead.entropy() - was_alive.entropy() - second_count_bits;
    }
    return c;
}

std::vector<coded_layer> choose(const mask& m, const parameter_layout& layout, const mask* base) {
    std::vector<choice> choices;
    double saved_bits = 0;
    for (const parameter& tensor : layout.weights()) {
        choices.push_back(weigh(m, base, tensor));
        saved_bits += std::max(0.0, choices.back().saved_bits);
    }
    constexpr double hash_bits = 32;
    std::vector<coded_layer> layers;
    for (const choice& c : choices) {
        layers.push_back(saved_bits > hash_bits && c.saved_bits > 0 ? c.difference : c.fresh);
    }
    return layers;
}

} // namespace

std::vector<std::byte> encode(const mask& m, const parameter_layout& layout, const mask* base) {
    check_size(m, layout, "encoding");
    if (base != nullptr) {
        check_size(*base, layout, "the base of an encoding");
    }
    const std::vector<coded_layer> layers = choose(m, layout, base);
    const bool any_difference = std::ranges::any_of(layers, &coded_layer::difference);

    std::size_t marked = 0;
    for (const coded_layer& c : layers) {
        marked += c.by_base[0].marked() + c.by_base[1].marked();
    }
    const std::uint8_t version = version_for(marked);

    std::vector<std::byte> bytes{std::byte{version}, std::byte{any_difference}};
    if (any_difference) {
        const std::uint32_t h = hash(*base, version);
        for (unsigned i = 0; i < 4; ++i) {
            bytes.push_back(static_cast<std::byte>(h >> (8 * i)));
        }
    }
    for (const coded_layer& c : layers) {
        put_varint(bytes, 2 * c.by_base[0].alive + (c.difference ? 1 : 0));
        if (c.difference) {
            put_varint(bytes, c.by_base[1].alive);
        }
    }
    const auto view_of_base = [&](const coded_layer& c) {
        return layer_view(c.difference ? base : nullptr, c.first, c.size);
    };
    for (const coded_layer& c : layers) {
        for (const bool alive_in_base : {false, true}) {
            if (goes_into_blocks(c.by_base[alive_in_base ? 1 : 0], version)) {
                put_population_blocks(m, c, view_of_base(c), alive_in_base, bytes);
            }
        }
    }
    gap_encoder encoder;
    for (auto c = layers.rbegin(); c != layers.rend(); ++c) {
        for (const bool alive_in_base : {true, false}) {
            const population& p = c->by_base[alive_in_base ? 1 : 0];
            if (!goes_into_blocks(p, version)) {
                put_population(layer_view(&m, c->first, c->size), view_of_base(*c), p, alive_in_base,
                               encoder);
            }
        }
    }
    const std::vector<std::byte> gaps = encoder.finish();
    bytes.insert(bytes.end(), gaps.begin(), gaps.end());
    return bytes;
}

mask decode(std::span<const std::byte> bytes, const parameter_layout& layout, const mask* base) {
    reader in(bytes);
    const auto version = static_cast<std::uint8_t>(in.number(1));
    if (version != streamed && version != in_blocks) {
        damaged("it has another version");
    }
    const std::uint64_t any_difference = in.number(1);
    if (any_difference > 1) {
        damaged("it has an unknown flag");
    }
    if (any_difference == 1) {
        if (base == nullptr) {
            damaged("it needs a base, and there is none");
        }
        check_size(*base, layout, "the base of a decoding");
        if (in.number(4) != hash(*base, version)) {
            damaged("it was made for another base");
        }
    }

    std::vector<coded_layer> layers;
    std::size_t marked = 0;
    for (const parameter& tensor : layout.weights()) {
        const std::uint64_t head = in.varint();
        coded_layer c{tensor.offset, tensor.size, (head & 1U) != 0, {}};
        if (c.difference && any_difference == 0) {
            damaged("a layer needs a base, and none is named");
        }
        const std::size_t held_alive = c.difference ? base->count(tensor.offset, tensor.size) : 0;
        c.by_base[0] = {tensor.size - held_alive, head >> 1U};
        c.by_base[1] = {held_alive, c.difference ? in.varint() : 0};
        if (c.by_base[0].alive > c.by_base[0].positions || c.by_base[1].alive > c.by_base[1].positions) {
            damaged("a layer has more weights alive than it has");
        }
        marked += c.by_base[0].marked() + c.by_base[1].marked();
        layers.push_back(c);
    }
    if (version != version_for(marked) ||
        (any_difference == 1) != std::ranges::any_of(layers, &coded_layer::difference)) {
        damaged("its version or its flag is not that of its layers");
    }

    mask m(layout.prunable_size(), false);
    const auto view_of_base = [&](const coded_layer& c) {
        return layer_view(c.difference ? base : nullptr, c.first, c.size);
    };
    for (const coded_layer& c : layers) {
        for (const bool alive_in_base : {false, true}) {
            if (goes_into_blocks(c.by_base[alive_in_base ? 1 : 0], version)) {
                in.go_to(take_population_blocks(in.rest(), view_of_base(c), c, alive_in_base, m));
            }
        }
    }
    gap_decoder decoder(in.rest());
    for (const coded_layer& c : layers) {
        for (const bool alive_in_base : {false, true}) {
            if (!goes_into_blocks(c.by_base[alive_in_base ? 1 : 0], version)) {
                take_population(decoder, view_of_base(c), c, alive_in_base, m);
            }
        }
    }
    decoder.finish();
    return m;
}

double information_bound(const mask& m, const parameter_layout& layout) {
    double nats = 0;
    for (const parameter& tensor : layout.weights()) {
        const auto n = static_cast<double>(tensor.size);
        const auto k = static_cast<double>(m.count(tensor.offset, tensor.size));
        nats += std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
    }
    return nats / std::numbers::ln2;
}

} // namespace feddip::sparse
