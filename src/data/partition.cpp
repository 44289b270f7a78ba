#include "data/partition.hpp"

#include "base/error.hpp"
#include "base/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

namespace feddip::data {

namespace {

constexpr std::size_t dirichlet_minimum = 100; // training images of a client
constexpr int dirichlet_draws = 1000;

using shares = std::vector<std::vector<std::uint32_t>>; // [client] images
using images_by_class = std::vector<std::vector<std::uint32_t>>;

// Images of each class in random order.
images_by_class shuffled_classes(std::span<const std::uint8_t> labels, int classes, random_stream& random) {
    images_by_class images(static_cast<std::size_t>(classes));
    for (std::size_t i = 0; i < labels.size(); ++i) {
        images[labels[i]].push_back(static_cast<std::uint32_t>(i));
    }
    for (auto& one_class : images) {
        random.shuffle(std::span(one_class));
    }
    return images;
}

void append(std::vector<std::uint32_t>& share, std::span<const std::uint32_t> images) {
    share.insert(share.end(), images.begin(), images.end());
}

shares deal_in_turn(const images_by_class& images, std::size_t clients) {
    shares dealt(clients);
    std::size_t turn = 0;
    for (const auto& one_class : images) {
        for (const std::uint32_t image : one_class) {
            dealt[turn].push_back(image);
            turn = (turn + 1) % clients;
        }
    }
    return dealt;
}

[[noreturn]] void cannot_deal(const char* where, const std::string& why) {
    throw input_error("cannot deal the data to clients", where, why);
}

// For each class its clients, equally many: each client in turn takes the classes with the most places left,
// ties at random. That never runs dry, since then no class has more places left than there are clients to
// come.
shares clients_of_classes(std::size_t clients, std::size_t classes, std::size_t per_client,
                          random_stream& random) {
    std::vector<std::size_t> places(classes, clients * per_client / classes);
    shares members(classes);
    std::vector<std::uint32_t> order(classes);
    std::iota(order.begin(), order.end(), 0U);
    for (std::size_t client = 0; client < clients; ++client) {
        random.shuffle(std::span(order));
        std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::uint32_t c) { return places[c]; });
        for (const std::uint32_t taken : std::span(order).first(per_client)) {
            --places[taken];
            members[taken].push_back(static_cast<std::uint32_t>(client));
        }
    }
    return members;
}

// Each class in nearly equal parts to its clients.
shares deal_to_members(const images_by_class& images, const shares& members, std::size_t clients) {
    shares dealt(clients);
    for (std::size_t c = 0; c < images.size(); ++c) {
        const auto parts = members[c].size();
        const auto cut = [&](std::size_t part) { return images[c].size() * part / parts; };
        for (std::size_t part = 0; part < parts; ++part) {
            append(dealt[members[c][part]],
                   std::span(images[c]).subspan(cut(part), cut(part + 1) - cut(part)));
        }
    }
    return dealt;
}

// [class][client], adding up to 1 over clients.
using proportions = std::vector<std::vector<double>>;

// Where in a class of `images` images the share of each client ends.
std::vector<std::size_t> cuts_of(std::span<const double> proportion, std::size_t images) {
    std::vector<std::size_t> cuts(proportion.size());
    double sum = 0;
    for (std::size_t i = 0; i < cuts.size(); ++i) {
        sum += proportion[i];
        cuts[i] = std::min(images, static_cast<std::size_t>(sum * static_cast<double>(images)));
    }
    // Rounding must not give the last images to a client whose proportion is 0.
    const auto last =
        std::ranges::find_if(proportion.rbegin(), proportion.rend(), [](double p) { return p > 0; });
    std::fill(cuts.end() - 1 - (last - proportion.rbegin()), cuts.end(), images);
    return cuts;
}

void add_counts(std::span<const std::size_t> cuts, std::vector<std::size_t>& counts) {
    for (std::size_t i = 0; i < cuts.size(); ++i) {
        counts[i] += cuts[i] - (i == 0 ? 0 : cuts[i - 1]);
    }
}

// One draw of all classes in turn, or nothing if a client has too few images then.
std::optional<proportions> draw_dirichlet(const images_by_class& train, const images_by_class& test,
                                          std::size_t clients, double alpha, random_stream& random) {
    std::size_t images = 0;
    for (const auto& one_class : train) {
        images += one_class.size();
    }
    std::vector<std::size_t> train_counts(clients), test_counts(clients);
    proportions drawn(train.size(), std::vector<double>(clients));
    for (std::size_t c = 0; c < train.size(); ++c) {
        double sum = 0;
        for (std::size_t i = 0; i < clients; ++i) {
            const double gamma = random.gamma(alpha);
            drawn[c][i] = train_counts[i] * clients >= images ? 0 : gamma;
            sum += drawn[c][i];
        }
        if (!(sum > 0)) {
            return std::nullopt; // a tiny alpha underflows
        }
        for (double& p : drawn[c]) {
            p /= sum;
        }
        add_counts(cuts_of(drawn[c], train[c].size()), train_counts);
        add_counts(cuts_of(drawn[c], test[c].size()), test_counts);
    }
    if (std::ranges::min(train_counts) < dirichlet_minimum || std::ranges::min(test_counts) == 0) {
        return std::nullopt;
    }
    return drawn;
}

shares deal_by_proportion(const images_by_class& images, const proportions& p, std::size_t clients) {
    shares dealt(clients);
    for (std::size_t c = 0; c < images.size(); ++c) {
        const auto cuts = cuts_of(p[c], images[c].size());
        std::size_t start = 0;
        for (std::size_t i = 0; i < clients; ++i) {
            append(dealt[i], std::span(images[c]).subspan(start, cuts[i] - start));
            start = cuts[i];
        }
    }
    return dealt;
}

void ensure_equal_classes(std::size_t classes, std::size_t clients, int per_client) {
    if (per_client < 1 || static_cast<std::size_t>(per_client) > classes) {
        cannot_deal("data.classes_per_client",
                    fmt::format("{} is not between 1 and the dataset's {} classes", per_client, classes));
    }
    const std::size_t places = clients * static_cast<std::size_t>(per_client);
    if (places % classes != 0) {
        cannot_deal(
            "data.classes_per_client",
            fmt::format(
                "{} clients with {} classes each can't share {} classes equally; make their product a "
                "multiple of {}",
                clients, per_client, classes, classes));
    }
}

partition make_pathological(const images_by_class& train, const images_by_class& test, std::size_t clients,
                            int per_client, random_stream& random) {
    const shares members =
        clients_of_classes(clients, train.size(), static_cast<std::size_t>(per_client), random);
    return {deal_to_members(train, members, clients), deal_to_members(test, members, clients)};
}

partition make_dirichlet(const images_by_class& train, const images_by_class& test, std::size_t clients,
                         double alpha, random_stream& random) {
    for (int draw = 0; draw < dirichlet_draws; ++draw) {
        if (const auto drawn = draw_dirichlet(train, test, clients, alpha, random)) {
            return {deal_by_proportion(train, *drawn, clients), deal_by_proportion(test, *drawn, clients)};
        }
    }
    cannot_deal(
        "data.dirichlet_alpha",
        fmt::format("in {} draws with alpha {} some client of {} always had fewer than {} training images "
                    "or no test image; take a larger alpha or fewer clients",
                    dirichlet_draws, alpha, clients, dirichlet_minimum));
}

shares deal_as_given(std::span<const std::int32_t> owners, std::size_t clients) {
    shares dealt(clients);
    for (std::size_t i = 0; i < owners.size(); ++i) {
        dealt[static_cast<std::size_t>(owners[i])].push_back(static_cast<std::uint32_t>(i));
    }
    return dealt;
}

// Identifiers are 0 or more, and those of test images occur among those of training images (image_file.hpp).
void require_given(const dataset& data, int clients) {
    if (data.train.clients.empty()) {
        cannot_deal("data.partition",
                    "\"given\" needs /train/clients and /test/clients in the file, which has none");
    }
    const std::int64_t named = std::int64_t{std::ranges::max(data.train.clients)} + 1;
    if (named != clients) {
        cannot_deal(
            "federation.clients",
            fmt::format("it is {0}, but the file has the images of {1} clients; set federation.clients = {1}",
                        clients, named));
    }
}

} // namespace

void ensure_enough_for(int clients, const config::data_section& settings, const dataset_facts& facts) {
    const std::size_t needed =
        settings.partition == config::partition_kind::dirichlet ? dirichlet_minimum : 1;
    const std::size_t dealt_to = clients < 1 ? 0 : static_cast<std::size_t>(clients);
    if (dealt_to == 0 || dealt_to * needed > facts.train_size) {
        cannot_deal(
            "federation.clients",
            fmt::format("{} training images are not enough for {} clients with at least {} each{}",
                        facts.train_size, clients, needed,
                        needed > 1
                            ? fmt::format(", which data.partition = \"dirichlet\" asks for; take {} clients "
                                          "or fewer, or \"iid\" or \"pathological\"",
                                          facts.train_size / needed)
                            : ""));
    }
    if (settings.partition == config::partition_kind::pathological) {
        ensure_equal_classes(static_cast<std::size_t>(facts.classes), dealt_to, settings.classes_per_client);
    }
}

partition make_partition(const dataset& data, const config::data_section& settings, int clients,
                         std::uint64_t seed) {
    if (settings.partition == config::partition_kind::given) {
        require_given(data, clients);
    }
    ensure_enough_for(clients, settings, data.facts);
    const auto dealt_to = static_cast<std::size_t>(clients);
    random_stream for_train(seed, 0, 0, purpose::partition_train);
    random_stream for_test(seed, 0, 0, purpose::partition_test);
    const auto train = shuffled_classes(data.train.labels, data.facts.classes, for_train);
    const auto test = shuffled_classes(data.test.labels, data.facts.classes, for_test);

    partition made;
    switch (settings.partition) {
    case config::partition_kind::iid:
        made = {deal_in_turn(train, dealt_to), deal_in_turn(test, dealt_to)};
        break;
    case config::partition_kind::pathological:
        made = make_pathological(train, test, dealt_to, settings.classes_per_client, for_train);
        break;
    case config::partition_kind::dirichlet:
        made = make_dirichlet(train, test, dealt_to, settings.dirichlet_alpha, for_train);
        break;
    case config::partition_kind::given:
        made = {deal_as_given(data.train.clients, dealt_to), deal_as_given(data.test.clients, dealt_to)};
        break;
    }
    for (shares* set : {&made.train, &made.test}) {
        for (auto& share : *set) {
            std::ranges::sort(share);
        }
    }
    const auto poorest = std::ranges::min_element(made.train, {}, &std::vector<std::uint32_t>::size);
    if (poorest->empty()) {
        const auto client = poorest - made.train.begin();
        if (settings.partition == config::partition_kind::given) {
            cannot_deal("/train/clients",
                        fmt::format("no training image is of client {}, though clients up to {} are named; "
                                    "number the clients without gaps",
                                    client, clients - 1));
        }
        cannot_deal("federation.clients",
                    fmt::format("client {} of {} would have no training image", client, clients));
    }
    return made;
}

} // namespace feddip::data
