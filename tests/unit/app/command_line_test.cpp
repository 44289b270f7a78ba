#include "app/command_line.hpp"
#include "base/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace feddip::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

any_command parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "feddip");
    return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

TEST(CommandLine, TrainTakesConfigOverridesOutAndResume) {
    const auto c = std::get<train_command>(parse({"train", "a.toml", "--set", "data.path=x", "--out", "r.h5",
                                                  "--set", "federation.seed=3", "--resume"}));

    EXPECT_EQ(c.config, "a.toml");
    EXPECT_THAT(c.overrides, ElementsAre("data.path=x", "federation.seed=3"));
    EXPECT_EQ(c.out, "r.h5");
    EXPECT_TRUE(c.resume);
}

TEST(CommandLine, AnOverrideBeforeTheConfigDoesNotSwallowIt) {
    const auto c = std::get<check_command>(parse({"check", "--set", "data.path=x", "a.toml"}));

    EXPECT_EQ(c.config, "a.toml");
    EXPECT_THAT(c.overrides, ElementsAre("data.path=x"));
}

TEST(CommandLine, CheckPrintsJsonWhereAskedTo) {
    EXPECT_FALSE(std::get<check_command>(parse({"check", "a.toml"})).json);
    EXPECT_TRUE(std::get<check_command>(parse({"check", "a.toml", "--json"})).json);
}

TEST(CommandLine, TrainNeedsNothingButAConfig) {
    const auto c = std::get<train_command>(parse({"train", "a.toml"}));

    EXPECT_TRUE(c.overrides.empty());
    EXPECT_TRUE(c.out.empty());
    EXPECT_FALSE(c.resume);
}

TEST(CommandLine, InfoTakesAFile) {
    EXPECT_EQ(std::get<info_command>(parse({"info", "r.h5"})).file, "r.h5");
}

TEST(CommandLine, VersionNeedsNoCommand) {
    EXPECT_TRUE(std::holds_alternative<version_command>(parse({"--version"})));
}

TEST(CommandLine, HelpIsNoErrorAndNamesTheCommands) {
    const auto help = std::get<help_command>(parse({"--help"}));
    for (const char* name : {"train", "check", "info", "--version"}) {
        EXPECT_THAT(help.text, HasSubstr(name));
    }
    EXPECT_THAT(std::get<help_command>(parse({"train", "--help"})).text, HasSubstr("--resume"));
}

class BadUsage : public ::testing::TestWithParam<std::vector<const char*>> {};

TEST_P(BadUsage, IsAnInputErrorThatPointsToTheHelp) {
    try {
        parse(GetParam());
        FAIL() << "accepted";
    } catch (const input_error& e) {
        EXPECT_THAT(e.what(), HasSubstr("(command line)"));
        EXPECT_THAT(e.what(), HasSubstr("feddip --help"));
    }
}

INSTANTIATE_TEST_SUITE_P(Arguments, BadUsage,
                         ::testing::Values(std::vector<const char*>{}, std::vector<const char*>{"fly"},
                                           std::vector<const char*>{"train"},
                                           std::vector<const char*>{"train", "a.toml", "b.toml"},
                                           std::vector<const char*>{"train", "a.toml", "--fast"},
                                           std::vector<const char*>{"train", "a.toml", "--out"},
                                           std::vector<const char*>{"train", "a.toml", "--set"},
                                           std::vector<const char*>{"check", "a.toml", "--resume"},
                                           std::vector<const char*>{"info"},
                                           std::vector<const char*>{"info", "a.h5", "b.h5"},
                                           std::vector<const char*>{"train", "a.toml", "check", "b.toml"}));

} // namespace
} // namespace feddip::app
