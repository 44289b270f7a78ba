#include "fl/experiment.hpp"

#include "fl/evaluation.hpp"

#include <algorithm>

namespace feddip::fl {

workplace::workplace(const experiment& what_is_run, transport& all_ranks,
                     std::span<observer* const> all_observers)
    : what(what_is_run), ranks(all_ranks), observers(all_observers), how(make_method(what.config)),
      guarantee(guarantee_of(what.config)),
      network({.model = what.config.model,
               .input = what.data.facts.shape,
               .classes = what.data.facts.classes,
               .max_batch = largest_batch(what.config.federation, what.data.facts),
               .kernels = what.config.compute.kernels,
               .precision = what.config.compute.precision}),
      layout(network.layout()), drift(what.config.drift, what.data, what.shares, what.config.federation.seed),
      trainer(what.config, what.data, network, &drift) {}

} // namespace feddip::fl
