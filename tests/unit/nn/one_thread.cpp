// The tests' tensors are small, and tests run side by side: one thread each, unless asked otherwise.
#include <gtest/gtest.h>
#include <omp.h>

#include <cstdlib>

namespace {

class one_thread final : public testing::Environment {
public:
    void SetUp() override {
        if (std::getenv("OMP_NUM_THREADS") == nullptr) {
            omp_set_num_threads(1);
        }
    }
};

const testing::Environment* const registered = testing::AddGlobalTestEnvironment(new one_thread);

} // namespace
