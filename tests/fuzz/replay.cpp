// Runs a fuzz target once on every file of the folders named: the corpus as an ordinary test, with any
// compiler.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<char> content_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

} // namespace

int main(int argc, char** argv) {
    int inputs = 0, failures = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            const std::vector<char> content = content_of(entry.path());
            try {
                LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(content.data()), content.size());
            } catch (const std::exception& e) {
                std::fprintf(stderr, "%s: %s\n", entry.path().c_str(), e.what());
                ++failures;
            }
            ++inputs;
        }
    }
    std::printf("%d inputs, %d failures\n", inputs, failures);
    return inputs > 0 && failures == 0 ? 0 : 1;
}
