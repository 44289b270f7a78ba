#include "fl/detectors/detector.hpp"

namespace feddip::fl {

std::unique_ptr<detector> make_detector(const config::adaptation_section& settings) {
    switch (settings.detector) {
    case config::detector_kind::page_hinkley:
        return make_page_hinkley(settings.tolerance, settings.threshold);
    case config::detector_kind::adwin:
        return make_adwin(settings.confidence);
    }
    return nullptr;
}

} // namespace feddip::fl
