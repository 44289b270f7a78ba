// The table of src/privacy/README.md, row by row, against the accountant.
#include "privacy/accountant.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

using namespace feddip::privacy;

namespace {

std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    std::string cell;
    std::getline(in, cell, '|');
    while (std::getline(in, cell, '|')) {
        cells.push_back(cell);
    }
    return cells;
}

// Whether `printed` is `exact`, rounded to the digits that it has.
void expect_printed(const std::string& printed, double exact, const std::string& line) {
    const auto dot = printed.find('.');
    const auto decimals = dot == std::string::npos ? 0 : printed.find_last_of("0123456789") - dot;
    EXPECT_NEAR(std::stod(printed), exact, 0.5001 * std::pow(10.0, -static_cast<double>(decimals))) << line;
}

} // namespace

TEST(Readme, TableIsWhatTheAccountantSays) {
    std::ifstream in(FEDDIP_PRIVACY_README);
    ASSERT_TRUE(in);
    int rows = 0;
    for (std::string line; std::getline(in, line);) {
        const auto cells = cells_of(line);
        if (cells.size() != 9 || cells[0].find_first_of("0123456789") == std::string::npos) {
            continue;
        }
        const double clients = std::stod(cells[0]), sampled = std::stod(cells[1]);
        const double z = noise_multiplier_for(std::stod(cells[4]), std::stod(cells[3]),
                                              {sampling::poisson, sampled / clients}, std::stod(cells[2]));
        expect_printed(cells[5], z, line);
        int column = 6;
        for (const double sent : {61706.0, 6383.0, 851.0}) {
            expect_printed(cells[column++], z * std::sqrt(sent) / sampled, line);
        }
        ++rows;
    }
    EXPECT_EQ(rows, 10);
}
