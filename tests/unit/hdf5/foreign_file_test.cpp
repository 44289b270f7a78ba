#include "base/error.hpp"
#include "hdf5/foreign_file.hpp"
#include "unit/data/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace feddip::h5 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class foreign : public ::testing::Test {
protected:
    // Calls `fill` with a new file, and opens what it made.
    template <typename Fill>
    foreign_file made(const Fill& fill) {
        const auto path = folder_.path() / "own.h5";
        silence();
        {
            const file_handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
            fill(file.id());
        }
        return foreign_file::open(path);
    }

    static dataset_handle put(hid_t file, const char* name, hid_t type, const shape& dimensions,
                              hid_t creation = H5P_DEFAULT) {
        const dataspace_handle space(
            H5Screate_simple(static_cast<int>(dimensions.size()), dimensions.data(), nullptr));
        return dataset_handle(H5Dcreate2(file, name, type, space.id(), H5P_DEFAULT, creation, H5P_DEFAULT));
    }

    test::temporary_folder folder_;
};

TEST_F(foreign, numbers_of_any_order_and_width_are_read) {
    const std::vector<std::int32_t> values{-1, 0, 70000};
    const auto file = made([&](hid_t f) {
        H5Dwrite(put(f, "big", H5T_STD_I64BE, {3}).id(), H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                 values.data());
    });

    const dataset_claim claim = file.describe("/big");
    std::vector<std::int32_t> read(3);
    file.read("/big", std::span(read));

    EXPECT_EQ(claim.type, value_type::signed_integer);
    EXPECT_EQ(claim.value_size, 8U);
    EXPECT_THAT(claim.dimensions, ElementsAre(3U));
    EXPECT_EQ(read, values);
}

TEST_F(foreign, numbers_that_do_not_fit_become_the_largest) {
    const std::int64_t huge = std::int64_t{1} << 40;
    const auto file = made([&](hid_t f) {
        H5Dwrite(put(f, "x", H5T_STD_I64LE, {1}).id(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                 &huge);
    });
    std::int32_t read = 0;
    file.read("/x", std::span(&read, 1));
    EXPECT_EQ(read, INT32_MAX);
}

TEST_F(foreign, deflated_chunks_are_read) {
    const std::vector<std::uint8_t> values(100'000, 7);
    const auto file = made([&](hid_t f) {
        const property_list_handle packed(H5Pcreate(H5P_DATASET_CREATE));
        const hsize_t chunk[] = {10'000};
        H5Pset_chunk(packed.id(), 1, chunk);
        H5Pset_shuffle(packed.id());
        H5Pset_deflate(packed.id(), 9);
        H5Dwrite(put(f, "x", H5T_STD_U8LE, {values.size()}, packed.id()).id(), H5T_NATIVE_UINT8, H5S_ALL,
                 H5S_ALL, H5P_DEFAULT, values.data());
    });
    std::vector<std::uint8_t> read(values.size());
    file.read("/x", std::span(read));
    EXPECT_EQ(read, values);
}

TEST_F(foreign, deflated_chunks_that_claim_more_than_their_bytes_can_hold_are_refused) {
    const hsize_t claimed = 1'000'000;
    const auto stored_in = [&](std::size_t bytes) {
        return made([&](hid_t f) {
            const property_list_handle packed(H5Pcreate(H5P_DATASET_CREATE));
            H5Pset_chunk(packed.id(), 1, &claimed);
            H5Pset_deflate(packed.id(), 9);
            const auto x = put(f, "x", H5T_STD_U8LE, {claimed}, packed.id());
            const hsize_t start = 0;
            const std::vector<std::uint8_t> stream(bytes);
            H5Dwrite_chunk(x.id(), H5P_DEFAULT, 0, &start, bytes, stream.data());
        });
    };
    EXPECT_THAT(test::message_of<input_error>([&] { stored_in(claimed / 1032).describe("/x"); }),
                HasSubstr("larger than what is stored"));
    EXPECT_NO_THROW(stored_in(claimed / 1032 + 1).describe("/x"));
}

TEST_F(foreign, texts_end_at_their_nul_or_their_place) {
    const auto file = made([&](hid_t f) {
        const datatype_handle three(H5Tcopy(H5T_C_S1));
        H5Tset_size(three.id(), 3);
        H5Tset_strpad(three.id(), H5T_STR_NULLPAD);
        H5Dwrite(put(f, "names", three.id(), {2}).id(), three.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                 "a\0\0cat");
    });
    EXPECT_THAT(file.read_texts("/names", 2), ElementsAre("a", "cat"));
    EXPECT_THROW(file.read_texts("/names", 1), input_error);
}

TEST_F(foreign, a_promise_of_2_to_the_60_values_costs_no_memory) {
    const auto file = made([&](hid_t f) {
        const property_list_handle chunked(H5Pcreate(H5P_DATASET_CREATE));
        const hsize_t chunk[] = {1, 1 << 20};
        H5Pset_chunk(chunked.id(), 2, chunk);
        put(f, "chunked", H5T_STD_U8LE, {hsize_t{1} << 30, hsize_t{1} << 30}, chunked.id());
        put(f, "plain", H5T_STD_U8LE, {hsize_t{1} << 30, hsize_t{1} << 30});
    });
    for (const char* path : {"/chunked", "/plain"}) {
        EXPECT_THROW(file.describe(path), input_error) << path;
    }
}

TEST_F(foreign, links_that_lead_elsewhere_are_not_followed) {
    const auto file = made([&](hid_t f) {
        put(f, "x", H5T_STD_U8LE, {1});
        H5Lcreate_soft("/x", f, "soft", H5P_DEFAULT, H5P_DEFAULT);
        H5Lcreate_external("other.h5", "/x", f, "external", H5P_DEFAULT, H5P_DEFAULT);
    });
    for (const char* path : {"/soft", "/external", "/external/x"}) {
        EXPECT_THAT(test::message_of<input_error>([&] { file.describe(path); }),
                    HasSubstr("soft or external link"))
            << path;
    }
}

TEST_F(foreign, what_is_missing_is_named_with_the_file) {
    const auto file = made([](hid_t) {});
    EXPECT_FALSE(file.has("/train/images"));
    EXPECT_THAT(test::message_of<input_error>([&] { file.describe("/train/images"); }),
                HasSubstr("own.h5:/train/images"));
    EXPECT_THROW(file.attribute("classes"), input_error);
}

} // namespace
} // namespace feddip::h5
