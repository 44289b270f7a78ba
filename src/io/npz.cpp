#include "io/npz.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <cstring>
#include <limits>

namespace feddip::io {

namespace {

constexpr std::uint16_t deflated = 8;
constexpr std::uint16_t version_needed = 20;
constexpr std::uint16_t dos_date = (1U << 5U) | 1U; // 1980-01-01: the same model gives the same bytes

std::uint32_t narrow(std::size_t size) {
    if (size > std::numeric_limits<std::uint32_t>::max()) {
        throw error("can't write arrays", "npz", "a part of it is larger than 4 GiB");
    }
    return static_cast<std::uint32_t>(size);
}

template <typename T>
void put(std::vector<std::byte>& out, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        out.push_back(static_cast<std::byte>(value >> (8 * i)));
    }
}

void put(std::vector<std::byte>& out, const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    out.insert(out.end(), bytes.begin(), bytes.end());
}

std::vector<std::byte> npy(const named_array& a) {
    std::string extents;
    for (const std::int64_t extent : a.shape) {
        extents += fmt::format("{}, ", extent);
    }
    std::string header =
        fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", a.type, extents);
    constexpr std::size_t before = 10, alignment = 64;
    header.append((alignment - (before + header.size() + 1) % alignment) % alignment, ' ');
    header += '\n';
    std::vector<std::byte> out;
    put(out, std::string("\x93NUMPY\x01", 7));
    put(out, std::uint8_t{0});
    put(out, static_cast<std::uint16_t>(header.size()));
    put(out, header);
    out.insert(out.end(), a.values.begin(), a.values.end());
    return out;
}

std::vector<std::byte> deflate_raw(std::span<const std::byte> plain) {
    z_stream stream{};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw error("can't compress", "npz", "zlib does not initialize");
    }
    std::vector<std::byte> packed(deflateBound(&stream, plain.size()));
    // zlib has no const; it only reads there.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(plain.data()));
    stream.avail_in = narrow(plain.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = narrow(packed.size());
    const int status = deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    if (status != Z_STREAM_END) {
        throw error("can't compress", "npz", "zlib does not end");
    }
    return packed;
}

struct entry {
    std::string name;
    std::uint32_t checksum, packed_size, size, offset;
};

// What local and central headers have in common, from the version needed on.
void put_common(std::vector<std::byte>& out, const entry& e) {
    put(out, version_needed);
    put(out, std::uint16_t{0}); // flags
    put(out, deflated);
    put(out, std::uint16_t{0}); // time
    put(out, dos_date);
    put(out, e.checksum);
    put(out, e.packed_size);
    put(out, e.size);
    put(out, static_cast<std::uint16_t>(e.name.size()));
    put(out, std::uint16_t{0}); // extra field
}

} // namespace

std::vector<std::byte> encode_npz(std::span<const named_array> arrays) {
    std::vector<std::byte> out;
    std::vector<entry> entries;
    for (const named_array& a : arrays) {
        const auto plain = npy(a);
        const auto packed = deflate_raw(plain);
        const auto checksum = crc32_z(0, reinterpret_cast<const Bytef*>(plain.data()), plain.size());
        entries.push_back({a.name + ".npy", static_cast<std::uint32_t>(checksum), narrow(packed.size()),
                           narrow(plain.size()), narrow(out.size())});
        put(out, std::uint32_t{0x04034b50});
        put_common(out, entries.back());
        put(out, entries.back().name);
        out.insert(out.end(), packed.begin(), packed.end());
    }
    const std::uint32_t directory = narrow(out.size());
    for (const entry& e : entries) {
        put(out, std::uint32_t{0x02014b50});
        put(out, version_needed); // made by
        put_common(out, e);
        put(out, std::uint16_t{0}); // comment
        put(out, std::uint16_t{0}); // disk
        put(out, std::uint16_t{0}); // internal attributes
        put(out, std::uint32_t{0}); // external attributes
        put(out, e.offset);
        put(out, e.name);
    }
    const std::uint32_t end = narrow(out.size());
    put(out, std::uint32_t{0x06054b50});
    put(out, std::uint32_t{0}); // disks
    put(out, static_cast<std::uint16_t>(entries.size()));
    put(out, static_cast<std::uint16_t>(entries.size()));
    put(out, end - directory);
    put(out, directory);
    put(out, std::uint16_t{0}); // comment
    return out;
}

} // namespace feddip::io
