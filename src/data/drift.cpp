#include "data/drift.hpp"

#include "base/choice.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "data/corruption.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

namespace feddip::data {

namespace {

constexpr std::size_t most_named = 20; // clients, for people

std::size_t kept(std::size_t images, double strength) {
    return static_cast<std::size_t>(std::llround((1 - strength) * static_cast<double>(images)));
}

// `count` of the numbers below `below`, ascending.
template <typename T>
std::vector<T> draw(std::size_t count, std::size_t below, random_stream& random) {
    std::vector<T> numbers(below);
    std::iota(numbers.begin(), numbers.end(), T{0});
    random.shuffle(std::span(numbers));
    numbers.resize(count);
    std::ranges::sort(numbers);
    return numbers;
}

std::string what_it_does(config::drift_kind kind) {
    switch (kind) {
    case config::drift_kind::label_shift:
        return "of the images of some classes, this share goes";
    case config::drift_kind::rotation:
        return "images turn counter-clockwise, by so many degrees";
    case config::drift_kind::contrast:
        return "images lose this share of their contrast";
    case config::drift_kind::noise:
        return "images get Gaussian noise of this deviation";
    case config::drift_kind::blur:
        return "images are blurred by a Gaussian of this deviation in pixels";
    case config::drift_kind::none:
        break;
    }
    return "nothing";
}

// A wider one leaves nothing of a picture, and takes as long as it is wide.
void require_picture(const config::drift_section& settings, const image_shape& shape) {
    const int side = std::max(shape.height, shape.width);
    if (settings.kind == config::drift_kind::blur && settings.strength > side) {
        throw input_error("impossible drift", "drift.strength",
                          fmt::format("{} pixels are more than the {} of an image's longer side; blur less",
                                      settings.strength, side));
    }
}

[[noreturn]] void nothing_left(const std::string& who) {
    throw input_error("impossible drift", "drift.strength",
                      fmt::format("label_shift would leave {} without images; take less, or a partition in "
                                  "which every client has more classes",
                                  who));
}

} // namespace

double drift_strength(const config::drift_section& settings, int round) {
    if (settings.kind == config::drift_kind::none) {
        return 0;
    }
    const auto& at = settings.at;
    const auto passed = std::ranges::upper_bound(at, round + 1) - at.begin();
    switch (settings.pattern) {
    case config::drift_pattern::sudden:
        return settings.strength * static_cast<double>(passed) / static_cast<double>(at.size());
    case config::drift_pattern::gradual:
        return settings.strength * std::clamp((round + 1.0 - at[0]) / (at[1] - at[0]), 0.0, 1.0);
    case config::drift_pattern::recurring:
        return passed % 2 == 1 ? settings.strength : 0;
    }
    return 0;
}

drift::drift(const config::drift_section& settings, const dataset& data, const partition& shares,
             std::uint64_t seed)
    : settings_(settings), data_(data), shares_(shares), seed_(seed) {
    if (settings_.kind == config::drift_kind::none) {
        return;
    }
    require_picture(settings_, data_.facts.shape);
    random_stream random(seed_, 0, 0, purpose::drifting);
    const auto drifting = std::llround(settings_.clients * static_cast<double>(shares_.clients()));
    clients_ =
        draw<int>(std::max<std::size_t>(1, static_cast<std::size_t>(drifting)), shares_.clients(), random);
    test_drifts_.resize(data_.test.size());
    for (const int client : clients_) {
        for (const std::uint32_t i : shares_.test[static_cast<std::size_t>(client)]) {
            test_drifts_[i] = 1;
        }
    }
    if (shifts_labels()) {
        const auto classes = static_cast<std::size_t>(data_.facts.classes);
        if (classes < 2) {
            throw input_error(
                "impossible combination", "drift.kind",
                "half of the classes fade in \"label_shift\", and the data has one; take another");
        }
        fading_ = draw<std::uint8_t>(classes / 2, classes, random);
        order_test_images(random);
        require_images();
    }
}

bool drift::drifts(int client) const {
    return std::ranges::binary_search(clients_, client);
}

bool drift::fades(std::uint8_t label) const {
    return std::ranges::binary_search(fading_, label);
}

// Of all clients that drift together: rounded for each, the share of a class would be all or nothing where
// clients have few images of it.
void drift::order_test_images(random_stream random) {
    test_standing_.resize(data_.test.size());
    const auto rank_in_class = [this](std::span<const std::uint32_t> images) {
        std::vector<std::uint32_t> counts(static_cast<std::size_t>(data_.facts.classes));
        for (const std::uint32_t i : images) {
            test_standing_[i].rank = counts[data_.test.labels[i]]++;
        }
        for (const std::uint32_t i : images) {
            test_standing_[i].of = counts[data_.test.labels[i]];
        }
    };
    std::vector<std::uint32_t> all;
    for (const int client : clients_) {
        auto share = shares_.test[static_cast<std::size_t>(client)];
        random.shuffle(std::span(share));
        rank_in_class(share);
        all.insert(all.end(), share.begin(), share.end());
    }
    // Evenly: the image before which a smaller share of its client's own has come is next, ties at random.
    random.shuffle(std::span(all));
    std::ranges::stable_sort(all, [&](std::uint32_t a, std::uint32_t b) {
        const auto& [rank_a, of_a] = test_standing_[a];
        const auto& [rank_b, of_b] = test_standing_[b];
        return (2 * std::uint64_t{rank_a} + 1) * of_b < (2 * std::uint64_t{rank_b} + 1) * of_a;
    });
    rank_in_class(all);
}

void drift::require_images() const {
    for (const int client : clients_) {
        random_stream random(seed_, 0, static_cast<std::uint32_t>(client), purpose::streaming);
        if (not_faded(client, settings_.strength, random).empty()) {
            nothing_left(fmt::format("client {}", client));
        }
    }
    if (test_images(settings_.strength).empty()) {
        nothing_left("the test");
    }
}

bool drift::begins(int round) const {
    return strength(round) != strength(round - 1) && strength(round - 1) == strength(round - 2);
}

bool drift::draws() const {
    return shifts_labels() || settings_.samples_per_round > 0;
}

std::vector<std::uint32_t> drift::images_of(int client, int round) const {
    random_stream random(seed_, static_cast<std::uint32_t>(round), static_cast<std::uint32_t>(client),
                         purpose::streaming);
    const double strength = shifts_labels() && drifts(client) ? this->strength(round) : 0;
    auto images =
        strength > 0 ? not_faded(client, strength, random) : shares_.train[static_cast<std::size_t>(client)];
    const auto wanted = static_cast<std::size_t>(settings_.samples_per_round);
    if (wanted > 0 && wanted < images.size()) {
        choose(images, wanted,
               [&](std::size_t bound) { return random.below(static_cast<std::uint32_t>(bound)); });
    }
    return images;
}

std::vector<std::uint32_t> drift::not_faded(int client, double strength, random_stream& random) const {
    auto images = shares_.train[static_cast<std::size_t>(client)];
    const auto& labels = data_.train.labels;
    std::vector<std::size_t> left(static_cast<std::size_t>(data_.facts.classes));
    for (const std::uint32_t i : images) {
        ++left[labels[i]];
    }
    for (const std::uint8_t label : fading_) {
        left[label] = kept(left[label], strength);
    }
    random.shuffle(std::span(images));
    std::erase_if(images, [&](std::uint32_t i) {
        auto& more = left[labels[i]];
        const bool over = more == 0;
        more -= over ? 0 : 1;
        return over;
    });
    std::ranges::sort(images);
    return images;
}

seen_images drift::seen_by(int client, int round, std::span<const std::uint32_t> images) const {
    const double now = strength(round);
    if (!corrupts(now) || !drifts(client)) {
        return {data_, images};
    }
    image_copies copies(data_, images);
    corruption change(data_.facts, settings_.kind, now);
    for (std::size_t n = 0; n < copies.size(); ++n) {
        random_stream random(seed_, static_cast<std::uint32_t>(round) + 1, images[n], purpose::corrupting);
        change.apply(copies.pixels(n), random);
    }
    return seen_images(std::move(copies));
}

std::vector<std::uint32_t> drift::test_images(double strength) const {
    std::vector<std::uint32_t> images(data_.test.size());
    std::iota(images.begin(), images.end(), 0U);
    if (shifts_labels()) {
        std::erase_if(images, [&](std::uint32_t i) {
            const auto& [rank, of] = test_standing_[i];
            return test_drifts_[i] != 0 && fades(data_.test.labels[i]) && rank >= kept(of, strength);
        });
    }
    return images;
}

std::string drift::describe() const {
    std::string lines;
    const auto out = std::back_inserter(lines);
    if (settings_.samples_per_round > 0) {
        fmt::format_to(out, "  in each round a client sees {} of its training images, if it has more\n",
                       settings_.samples_per_round);
    }
    if (clients_.empty()) {
        return lines;
    }
    fmt::format_to(out, "  {}", what_it_does(settings_.kind));
    if (shifts_labels()) {
        fmt::format_to(out, ": {}", fmt::join(fading_, ", "));
    }
    const auto named = std::span(clients_).first(std::min(clients_.size(), most_named));
    if (clients_.size() == shares_.clients()) {
        fmt::format_to(out, "\n  for all {} clients\n", clients_.size());
    } else {
        fmt::format_to(out, "\n  for {} of {} clients: {}{}\n", clients_.size(), shares_.clients(),
                       fmt::join(named, ", "), named.size() < clients_.size() ? " ..." : "");
    }
    const auto& at = settings_.at;
    if (settings_.pattern == config::drift_pattern::gradual) {
        fmt::format_to(out, "  from 0 in round {} evenly to {} in round {}\n", at[0], settings_.strength,
                       at[1]);
        return lines;
    }
    for (const int round : at) {
        fmt::format_to(out, "  {} from round {} on\n", strength(round - 1), round);
    }
    return lines;
}

test_pool drift::pool(int round) const {
    const double now = strength(round);
    if (!corrupts(now)) {
        return {data_, test_images(now), {}};
    }
    auto change = std::make_shared<corruption>(data_.facts, settings_.kind, now);
    return {data_, test_images(now), [this, change](std::uint32_t image, std::span<std::uint8_t> pixels) {
                if (test_drifts_[image] != 0) {
                    random_stream random(seed_, 0, image, purpose::corrupting);
                    change->apply(pixels, random);
                }
            }};
}

} // namespace feddip::data
