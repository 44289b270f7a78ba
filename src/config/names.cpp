#include "config/names.hpp"

namespace feddip::config {

int classes_of(dataset_name v) {
    return v == dataset_name::cifar_100 ? 100 : 10;
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
