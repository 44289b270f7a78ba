#include "config/names.hpp"

namespace feddip::config {

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
