#include "config/names.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::config {

int classes_of(dataset_name v) {
    switch (v) {
    case dataset_name::file:
        return 0;
    case dataset_name::cifar_100:
        return 100;
    default:
        return 10;
    }
}

int final_rounds_of(const run_config& c) {
    const double wanted = c.sparsity.final_rounds;
    if (wanted == 0 || wanted >= 1) {
        return static_cast<int>(wanted);
    }
    return std::max(1, static_cast<int>(std::lround(wanted * c.federation.rounds)));
}

int answer_rounds_of(const run_config& c, int alarm) {
    return std::min(c.adaptation.rounds, c.federation.rounds - 1 - alarm);
}

std::string to_string(dataset_name v) {
    return std::string(name_of(v));
}
std::string to_string(partition_kind v) {
    return std::string(name_of(v));
}
std::string to_string(model_name v) {
    return std::string(name_of(v));
}

} // namespace feddip::config
