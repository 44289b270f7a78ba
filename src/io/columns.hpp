// Records to datasets and back, one dataset per member.
#pragma once

#include "base/error.hpp"
#include "hdf5/file.hpp"
#include "io/schema.hpp"

#include <span>
#include <string>
#include <variant>
#include <vector>

namespace feddip::io {

template <typename Record, typename T>
std::vector<T> values_of(T Record::*member, std::span<const Record> records) {
    std::vector<T> values;
    values.reserve(records.size());
    for (const Record& record : records) {
        values.push_back(record.*member);
    }
    return values;
}

// `records` fill `dimensions` in row-major order.
template <typename Record>
void write_column(h5::file& file, const std::string& path, const column<Record>& c,
                  std::span<const Record> records, const h5::shape& dimensions) {
    std::visit(
        [&]<typename T>(T Record::*member) {
            file.write(path, std::span<const T>(values_of(member, records)), dimensions);
        },
        c.member);
}

// A dataset of no rows yet, each of the shape `row`.
template <typename Record>
void grow_column(h5::file& file, const std::string& path, const column<Record>& c, const h5::shape& row,
                 hsize_t chunk_rows) {
    std::visit([&]<typename T>(T Record::*) { file.write_growing<T>(path, row, chunk_rows); }, c.member);
}

// `records` fill `rows` of it.
template <typename Record>
void append_column(h5::file& file, const std::string& path, const column<Record>& c,
                   std::span<const Record> records, hsize_t rows) {
    std::visit(
        [&]<typename T>(T Record::*member) {
            file.append(path, std::span<const T>(values_of(member, records)), rows);
        },
        c.member);
}

// Sets one member of each of `records`; throws error unless the dataset has as many values. Where an optional
// column is absent the records stay as they are.
template <typename Record>
void read_column(const h5::dataset_source& file, const std::string& path, const column<Record>& c,
                 std::span<Record> records) {
    if (c.optional && !file.has(path)) {
        return;
    }
    std::visit(
        [&]<typename T>(T Record::*member) {
            const std::vector<T> values = file.read<T>(path);
            if (values.size() != records.size()) {
                throw error("can't read dataset", file.name() + ":" + path,
                            "it has another length than the rest");
            }
            for (std::size_t i = 0; i < values.size(); ++i) {
                records[i].*member = values[i];
            }
        },
        c.member);
}

} // namespace feddip::io
