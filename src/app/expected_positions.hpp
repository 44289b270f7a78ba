// How many bytes positions will take, before there are masks.
#pragma once

#include "base/layout.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <vector>

namespace feddip::app {

// log2 of the number of ways to choose k of n.
double log2_choose(double n, double k);

// How many weights of each prunable tensor are alive in a mask; fractions, as they are expected.
using alive_by_layer = std::vector<double>;

// What fl::download_ledger will charge for positions. Which client holds which mask is known beforehand;
// a method's masks are expected to be nested in those before them, where hardly any weight comes back, or
// else to have nothing to do with them, which is an upper bound; and magnitudes to lie in each layer as at
// initialization, evenly up to 1/sqrt(fan_in), as training and decay move all layers.
class expected_positions {
public:
    // `layout` must live on.
    expected_positions(const parameter_layout& layout, const sparse::mask& start, int clients, bool nested);

    // From here on the model's mask has `alive` weights, the largest of the whole network.
    void reconfigure(double alive);

    // Bytes of the mask for a client, who from then on holds it.
    double charge(int client);

    // Bytes of the positions of a client's own `alive` largest weights.
    double of_upload(double alive) const;

    // Bytes of the model's mask for one who holds none.
    double of_model() const { return code_bytes(model(), sizes_); }

    // The mask that the model has now.
    const alive_by_layer& model() const { return masks_.back(); }

private:
    alive_by_layer largest(double alive) const;
    double code_bytes(const alive_by_layer& mask, const alive_by_layer& base) const;

    const parameter_layout* layout_;
    bool nested_;
    alive_by_layer sizes_, start_;
    std::vector<std::size_t> held_; // [clients] index of the mask that each holds
    std::vector<alive_by_layer> masks_;
};

} // namespace feddip::app
