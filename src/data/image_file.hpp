// One HDF5 file with the images of somebody's own (data.dataset = "file"; data/README.md shows how to make
// one):
//     /train/images  /test/images    uint8, or float32, N x C x H x W
//     /train/labels  /test/labels    integers from 0 to classes - 1, N
//     @classes                       attribute of the root, an integer from 1 to 256
// and, optional,
//     /train/clients /test/clients   integers from 0 to clients - 1, N: whose each image is; both or none
//     /class_names                   texts of fixed length, as many as classes
//     /mean /deviation               numbers, C: x becomes (x - mean) / deviation; both or none
// A byte stands for its value / 255, a float for itself. What else the file holds is not looked at.
#pragma once

#include "data/dataset.hpp"
#include "hdf5/foreign_file.hpp"

namespace feddip::data {

// Both throw input_error. Before memory is taken for images, `facts_of` has checked that all parts fit each
// other, the file, and the machine's memory.
dataset_facts facts_of(const h5::foreign_source& file);
// `storage` as for `read`.
dataset read_images(const h5::foreign_source& file, const dataset_facts& facts, std::span<std::byte> storage);

} // namespace feddip::data
