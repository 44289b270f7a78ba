#include "base/error.hpp"
#include "hdf5/file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace feddip::h5 {
namespace {

using ::testing::HasSubstr;

dataspace_handle make_space() {
    return dataspace_handle(H5Screate(H5S_SCALAR));
}

std::string message_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const error& e) {
        return e.what();
    }
    return "nothing was thrown";
}

TEST(handle, is_null_after_it_was_moved_from) {
    dataspace_handle a = make_space();
    const hid_t id = a.id();

    const dataspace_handle b = std::move(a);

    EXPECT_FALSE(a); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(b.id(), id);
}

TEST(handle, releases_what_it_held_when_another_is_moved_in) {
    dataspace_handle a = make_space();
    dataspace_handle b = make_space();
    const hid_t old = a.id();
    const hid_t kept = b.id();

    a = std::move(b);

    EXPECT_LE(H5Iis_valid(old), 0);
    EXPECT_GT(H5Iis_valid(kept), 0);
    EXPECT_EQ(a.id(), kept);
}

TEST(handle, releases_its_object_at_the_end) {
    hid_t id = H5I_INVALID_HID;
    {
        const dataspace_handle a = make_space();
        id = a.id();
        ASSERT_GT(H5Iis_valid(id), 0);
    }
    EXPECT_LE(H5Iis_valid(id), 0);
}

TEST(file, leaves_no_object_open) {
    {
        file f = file::create("leak");
        f.write("/a/b", std::vector<double>{1, 2});
        f.write("/a/scale", std::vector<int>{1, 2});
        f.set_attribute("/a/b", "units", std::string("s"));
        f.set_attribute("/", "names", std::vector<std::string>{"x", "y"});
        f.make_scale("/a/scale", "scale");
        f.attach_scale("/a/b", 0, "/a/scale");
        const file again = file::open(f.image(), "again");
        EXPECT_EQ(again.read<double>("/a/b").size(), 2U);
    }
    EXPECT_EQ(H5Fget_obj_count(static_cast<hid_t>(H5F_OBJ_ALL), H5F_OBJ_ALL), 0);
}

TEST(file, gives_back_what_was_written) {
    file f = file::create("round trip");
    const std::vector<std::uint64_t> large = {0, UINT64_MAX, std::uint64_t{1} << 53U};
    const std::vector<std::string> texts = {"", "Erdős–Rényi", "two words"};
    f.write("/g/large", large);
    f.write("/g/texts", texts);
    f.write("/none", std::vector<float>{});
    f.set_attribute("/g", "text", std::string("läuft"));
    f.set_attribute("/g", "texts", texts);
    f.set_attribute("/g", "nothing", std::vector<std::string>{});
    f.set_attribute("/", "seed", UINT64_MAX);

    const file g = file::open(f.image(), "round trip, read");

    EXPECT_EQ(g.read<std::uint64_t>("/g/large"), large);
    EXPECT_EQ(g.read_strings("/g/texts"), texts);
    EXPECT_TRUE(g.read<float>("/none").empty());
    EXPECT_EQ(g.string_attribute("/g", "text"), "läuft");
    EXPECT_EQ(g.strings_attribute("/g", "texts"), texts);
    EXPECT_TRUE(g.strings_attribute("/g", "nothing").empty());
    EXPECT_EQ(g.attribute<std::uint64_t>("/", "seed"), UINT64_MAX);
}

TEST(file, holds_attributes_larger_than_64_kib) {
    file f = file::create("large attribute");
    const std::vector<std::string> hostnames(10000, "node.cluster.example");
    f.set_attribute("/", "hostnames", hostnames);
    EXPECT_EQ(file::open(f.image(), "read").strings_attribute("/", "hostnames"), hostnames);
}

TEST(file, knows_what_it_has) {
    file f = file::create("has");
    f.write("/a/b/c", std::vector<int>{1});
    EXPECT_TRUE(f.has("/a"));
    EXPECT_TRUE(f.has("/a/b/c"));
    EXPECT_FALSE(f.has("/a/x/c"));
    EXPECT_FALSE(f.has_attribute("/a", "units"));
}

TEST(file, names_call_file_and_path_in_its_errors) {
    const file f = file::create("runs/a.h5");
    const std::string message = message_of([&] { (void)f.read<double>("/rounds/none"); });
    EXPECT_THAT(message, HasSubstr("H5Dopen2 failed (runs/a.h5:/rounds/none): "));
    EXPECT_THAT(message, ::testing::Not(HasSubstr("no reason")));
}

TEST(file, prints_nothing_itself_when_something_fails) {
    ::testing::internal::CaptureStderr();
    const std::vector<std::byte> garbage(4096, std::byte{7});
    EXPECT_THROW(file::open(garbage, "garbage"), error);
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

// What h5repack makes of a file: its one dataset in deflated chunks, of which `rows` of 1000 ones are
// written. Without rows it has a first chunk of 100 bytes.
std::vector<std::byte> packed_file(hsize_t claimed_rows, hsize_t rows, hsize_t chunk_rows) {
    const property_list_handle access(H5Pcreate(H5P_FILE_ACCESS));
    H5Pset_fapl_core(access.id(), 1 << 16, false);
    const file_handle made(H5Fcreate("/dev/null/packed", H5F_ACC_TRUNC, H5P_DEFAULT, access.id()));
    const shape claimed{claimed_rows, 1000}, chunk{chunk_rows, 1000}, start{0, 0}, written{rows, 1000};
    const shape without_limit(2, H5S_UNLIMITED);
    const property_list_handle layout(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_chunk(layout.id(), 2, chunk.data());
    H5Pset_shuffle(layout.id());
    H5Pset_deflate(layout.id(), 9);
    const dataspace_handle space(H5Screate_simple(2, claimed.data(), without_limit.data()));
    const dataset_handle dataset(H5Dcreate2(made.id(), "/values", H5T_NATIVE_DOUBLE, space.id(), H5P_DEFAULT,
                                            layout.id(), H5P_DEFAULT));
    if (rows == 0) {
        const std::vector<std::byte> raw(100);
        H5Dwrite_chunk(dataset.id(), H5P_DEFAULT, 0, start.data(), raw.size(), raw.data());
    } else {
        const dataspace_handle part(H5Screate_simple(2, written.data(), nullptr));
        H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, written.data(), nullptr);
        const std::vector<double> ones(rows * 1000, 1.0);
        H5Dwrite(dataset.id(), H5T_NATIVE_DOUBLE, part.id(), space.id(), H5P_DEFAULT, ones.data());
    }
    H5Fflush(made.id(), H5F_SCOPE_GLOBAL);
    std::vector<std::byte> image(static_cast<std::size_t>(H5Fget_file_image(made.id(), nullptr, 0)));
    H5Fget_file_image(made.id(), image.data(), image.size());
    return image;
}

TEST(file, reads_what_deflate_has_packed) {
    const std::vector<std::byte> image = packed_file(100, 100, 100);
    ASSERT_LT(image.size(), 100 * 1000 * sizeof(double) / 50);
    EXPECT_EQ(file::open(image, "packed").read<double>("/values"), std::vector<double>(100 * 1000, 1.0));
}

TEST(file, refuses_more_than_deflate_can_pack_before_memory_is_taken) {
    const auto read = [](const std::vector<std::byte>& image) {
        return message_of([&] { (void)file::open(image, "packed").read<double>("/values"); });
    };
    EXPECT_THAT(read(packed_file(hsize_t{1} << 40U, 1, 1)), HasSubstr("larger than what is stored"));
    // Few values, in a chunk of 2 GB: HDF5 would take memory for the whole.
    EXPECT_THAT(read(packed_file(1, 0, 250'000)), HasSubstr("larger than what is stored"));
}

TEST(file, refuses_values_that_do_not_fill_the_shape) {
    file f = file::create("shape");
    const std::vector<double> five(5);
    EXPECT_THROW(f.write("/a", std::span<const double>(five), {2, 3}), error);
}

TEST(file, refuses_text_where_numbers_are_and_numbers_where_text_is) {
    file f = file::create("types");
    f.write("/numbers", std::vector<int>{1, 2});
    f.write("/texts", std::vector<std::string>{"a"});
    f.set_attribute("/", "number", 1);
    EXPECT_THROW((void)f.read_strings("/numbers"), error);
    EXPECT_THROW((void)f.read<double>("/texts"), error);
    EXPECT_THROW((void)f.string_attribute("/", "number"), error);
}

} // namespace
} // namespace feddip::h5
