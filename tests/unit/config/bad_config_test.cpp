// One line per thing that people get wrong, and what they are told.
#include "base/error.hpp"
#include "config/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace feddip::config {
namespace {

using testing::HasSubstr;
using testing::Not;

template <typename Act>
std::string message_of(const Act& act) {
    try {
        act();
    } catch (const input_error& e) {
        return e.what();
    }
    return "";
}

std::string complaint_about(const std::string& toml, const std::vector<std::string>& overrides = {}) {
    return message_of([&] { parse(toml, "bad.toml", overrides); });
}

struct bad {
    std::string text;     // of the file
    std::string expected; // part of the message
};

void PrintTo(const bad& b, std::ostream* out) {
    *out << testing::PrintToString(b.text);
}

class bad_file : public testing::TestWithParam<bad> {};

TEST_P(bad_file, is_refused_in_one_line_that_says_where_and_why) {
    const std::string complaint = complaint_about(GetParam().text);

    EXPECT_THAT(complaint, HasSubstr(GetParam().expected));
    EXPECT_THAT(complaint, HasSubstr("(bad.toml"));
    EXPECT_THAT(complaint, Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(syntax, bad_file,
                         testing::Values(bad{"[data", "cannot parse the config (bad.toml:1)"},
                                         bad{"\n\n[data]\npath = ", "cannot parse the config (bad.toml:4)"},
                                         bad{"[data]\npath = \"a\"\npath = \"b\"", "(bad.toml:3)"},
                                         bad{"[data]\n[data]", "(bad.toml:2)"},
                                         bad{"\xff\xfe", "cannot parse"}, bad{"a=[[n\n_ra[", "cannot parse"},
                                         bad{"[federation]\nseed = 99999999999999999999", "cannot parse"}));

INSTANTIATE_TEST_SUITE_P(
    names, bad_file,
    testing::Values(bad{"[dta]", "unknown section [dta] (bad.toml:1): did you mean [data]?"},
                    bad{"[optimiser]", "did you mean [optimizer]?"},
                    bad{"rounds = 3", "rounds belongs to [federation]"},
                    bad{"[data]\n\npartion = \"iid\"", "unknown key data.partion (bad.toml:3): did you mean "
                                                       "data.partition? The keys of [data] are dataset, "},
                    bad{"[federation]\nround = 3", "did you mean federation.rounds?"},
                    bad{"[sparsity]\nbatch_size = 3", "batch_size belongs to [federation]"},
                    bad{"[Data]", "did you mean [data]?"},
                    bad{"[data.path]", "expected a string, found a table"},
                    bad{"[\"a\\nb\"]", "unknown section [a\\u000Ab]"}, bad{"data = 3", "it must be a table"},
                    bad{"[[data]]", "it must be a table"}));

INSTANTIATE_TEST_SUITE_P(
    types, bad_file,
    testing::Values(
        bad{"[federation]\nrounds = 1.0", "bad value of federation.rounds (bad.toml:2): expected "
                                          "an integer, found a floating-point number"},
        bad{"[federation]\nrounds = \"10\"", "expected an integer, found a string"},
        bad{"[federation]\nrank0_trains = 1", "expected true or false, found an integer"},
        bad{"[federation]\nrounds = [1]", "expected an integer, found an array"},
        bad{"[federation]\nrounds = true", "expected an integer, found a boolean"},
        bad{"[federation]\nrounds = 1979-05-27", "found a date"},
        bad{"[optimizer]\ndecay = \"fast\"", "expected a number, found a string"},
        bad{"[data]\npath = 3", "expected a string, found an integer"},
        bad{"[data]\npartition = 3",
            "expected one of \"iid\", \"pathological\", \"dirichlet\", \"given\", found an integer"},
        bad{"[data]\npartition = \"idd\"", "\"idd\" is unknown, did you mean \"iid\"?"},
        bad{"[data]\ndataset = \"cifar10\"", "did you mean \"cifar-10\"?"},
        bad{"[compute]\nkernels = \"automatic\"", "did you mean \"auto\"?"},
        bad{"[data]\npath = \"a\\u0000b\"", "NUL"}));

INSTANTIATE_TEST_SUITE_P(
    values, bad_file,
    testing::Values(
        bad{"[federation]\nclients = 0", "0 is impossible, it must be at least 1"},
        bad{"[federation]\nclients = -5", "-5 is impossible"},
        bad{"[federation]\nclients = 3000000000", "3000000000 is out of range"},
        bad{"[federation]\nclients_per_round = 0", "federation.clients_per_round"},
        bad{"[federation]\nrounds = 0", "at least 1"}, bad{"[federation]\nlocal_epochs = 0", "at least 1"},
        bad{"[federation]\nbatch_size = 0", "at least 1"},
        bad{"[federation]\nseed = -1", "-1 is out of range"},
        bad{"[federation]\nevaluate_every = 0", "at least 1"},
        bad{"[data]\nclasses_per_client = 0", "at least 1"},
        bad{"[data]\ndirichlet_alpha = 0", "greater than 0"},
        bad{"[data]\ndirichlet_alpha = -0.5", "greater than 0"},
        bad{"[data]\ndirichlet_alpha = inf", "finite"}, bad{"[data]\ndirichlet_alpha = nan", "finite"},
        bad{"[method]\nname = \"\"", "not empty"},
        bad{"[method]\nvariant = \"author\"", "did you mean \"authors\"?"},
        bad{"[sparsity]\ninitial = -0.1", "at least 0 and less than 1"},
        bad{"[sparsity]\ntarget = 1", "at least 0 and less than 1"},
        bad{"[sparsity]\ntarget = 1.5", "at least 0 and less than 1"},
        bad{"[sparsity]\ntarget = nan", "finite"}, bad{"[sparsity]\nhorizon = 0", "at least 1"},
        bad{"[sparsity]\nfinal_rounds = -1", "a whole number of rounds, or a share"},
        bad{"[sparsity]\nfinal_rounds = 1.5", "a whole number of rounds, or a share"},
        bad{"[sparsity]\nfinal_rounds = 1e10", "a whole number of rounds, or a share"},
        bad{"[sparsity]\nfinal_rounds = nan", "finite"},
        bad{"[sparsity]\nlayer_floor = -0.1", "at least 0 and less than 1"},
        bad{"[sparsity]\nlayer_floor = 1", "at least 0 and less than 1"},
        bad{"[sparsity]\nstart_scale = \"sparse\"", "did you mean \"dense\"?"},
        bad{"[sparsity]\nscore = \"lamb\"", "did you mean \"lamp\"?"},
        bad{"[prunefl]\nremovable_share = 0", "greater than 0 and at most 1"},
        bad{"[prunefl]\nremovable_share = 1.5", "greater than 0 and at most 1"},
        bad{"[regularization]\nmaximum = -1e-3", "at least 0"},
        bad{"[regularization]\nmaximum = inf", "finite"}, bad{"[regularization]\nsteps = 0", "at least 1"},
        bad{"[optimizer]\nlearning_rate = 0", "greater than 0"},
        bad{"[optimizer]\nlearning_rate = -inf", "finite"}, bad{"[optimizer]\ndecay = 0.0", "at most 1"},
        bad{"[optimizer]\ndecay = 1.01", "at most 1"}, bad{"[optimizer]\nweight_decay = -1e-9", "at least 0"},
        bad{"[compute]\nthreads = 0", "between 1 and 4096"}, bad{"[checkpoint]\nkeep = 0", "at least 1"},
        bad{"[checkpoint]\nevery_rounds = -1", "at least 0"},
        bad{"[checkpoint]\nevery_minutes = -0.5", "at least 0"},
        bad{"[links]\nuplink_mbit = -1", "each at least 0"},
        bad{"[links]\nuplink_mbit = []", "one or more numbers"},
        bad{"[links]\nlatency_ms = [1, \"slow\"]", "expected a number, found a string"},
        bad{"[links]\nlatency_ms = \"slow\"", "expected a number or an array of them"},
        bad{"[links]\nshares = [0.5, 0.4]", "sum to 1"},
        bad{"[links]\nshares = [1.5, -0.5]", "greater than 0"},
        bad{"[drift]\nkind = \"blurr\"", "did you mean \"blur\"?"},
        bad{"[drift]\nat = [3, 3]", "rounds that ascend"}, bad{"[drift]\nat = 0", "rounds that ascend"},
        bad{"[drift]\nat = [1.5]", "expected an integer"},
        bad{"[drift]\nat = \"soon\"", "expected a number or an array of them"},
        bad{"[drift]\nstrength = -1", "at least 0"}, bad{"[drift]\nclients = 0", "greater than 0"},
        bad{"[drift]\nsamples_per_round = -1", "at least 0"},
        bad{"[adaptation]\nanswer = \"grow\"", "did you mean \"regrow\"?"},
        bad{"[adaptation]\nrounds = 0", "at least 1"},
        bad{"[adaptation]\nregrown_share = 0", "greater than 0 and at most 1"},
        bad{"[adaptation]\nrelaxed_sparsity = 1", "less than 1"},
        bad{"[adaptation]\ntolerance = -0.1", "at least 0"},
        bad{"[adaptation]\nthreshold = 0", "greater than 0"},
        bad{"[adaptation]\nconfidence = 1", "greater than 0 and less than 1"},
        bad{"[faults]\ndrop_probability = 1", "at least 0 and less than 1"},
        bad{"[faults]\ndrop_probability = -0.1", "at least 0 and less than 1"},
        bad{"[faults]\nslow_probability = 1.1", "at least 0 and at most 1"},
        bad{"[faults]\nslow_factor = 0.5", "at least 1"}));

INSTANTIATE_TEST_SUITE_P(
    combinations, bad_file,
    testing::Values(
        bad{"[federation]\nclients = 4",
            "federation.clients_per_round = 5 is more than federation.clients = 4"},
        bad{"[sparsity]\ntarget = 0.3", "sparsity.initial = 0.5 is more than sparsity.target = 0.3"},
        bad{"[federation]\nrounds = 20\n[sparsity]\nfinal_rounds = 20",
            "sparsity.final_rounds = 20 leaves none of the federation.rounds = 20"},
        bad{"[federation]\nrounds = 1\n[sparsity]\nfinal_rounds = 0.1", "leaves none"},
        bad{"[sparsity]\nlayer_floor = 0.2", "more than what sparsity.target = 0.9 leaves alive"},
        bad{"[data]\nclasses_per_client = 11", "more than the 10 classes of fashion-mnist"},
        bad{"[data]\ndataset = \"cifar-10\"", "\"lenet5\" does not take data.dataset = \"cifar-10\""},
        bad{"[model]\nname = \"alexnet\"", "\"alexnet\" does not take data.dataset = \"fashion-mnist\""},
        bad{"[model]\nname = \"resnet18\"", "lenet5 takes fashion-mnist"},
        bad{"data.dataset = \"cifar-100\"\ndata.classes_per_client = 101\nmodel.name = \"alexnet\"",
            "more than the 100 classes"},
        bad{"[regularization]\nmaximum = 1e-4\nstaircase = \"code\"", "is below 0.0005"},
        bad{"[drift]\nkind = \"blur\"", "changes nothing"},
        bad{"[drift]\nkind = \"blur\"\nstrength = 1", "never happens"},
        bad{"[drift]\nkind = \"contrast\"\nstrength = 1.1\nat = 1", "can take away"},
        bad{"[drift]\nkind = \"blur\"\nstrength = 1\nat = 1001", "after the last one"},
        bad{"[drift]\nkind = \"blur\"\nstrength = 1\nat = 1\npattern = \"gradual\"", "drift.at has 1 values"},
        bad{"[adaptation]\nanswer = \"relax\"\nrelaxed_sparsity = 0.9", "not below sparsity.target = 0.9"},
        bad{"[links]\nuplink_mbit = [1, 2]", "links.uplink_mbit has 2 values where links.shares has 1"}));

struct bad_option {
    std::string text, expected;
};

void PrintTo(const bad_option& b, std::ostream* out) {
    *out << testing::PrintToString(b.text);
}

class bad_override : public testing::TestWithParam<bad_option> {};

TEST_P(bad_override, is_refused_in_one_line_that_repeats_it) {
    const std::string complaint = complaint_about("", {GetParam().text});

    EXPECT_THAT(complaint, HasSubstr(GetParam().expected));
    EXPECT_THAT(complaint, Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(
    overrides, bad_override,
    testing::Values(bad_option{"federation.rounds", "(--set federation.rounds): expected section.key=value"},
                    bad_option{"rounds=3", "rounds belongs to [federation]"},
                    bad_option{"", "expected section.key=value"},
                    bad_option{"=3", "expected section.key=value"}, bad_option{".=3", "unknown section []"},
                    bad_option{"data.=3", "unknown key data."},
                    bad_option{"federation.round=3",
                               "(--set federation.round=3): did you mean federation.rounds?"},
                    bad_option{"federated.rounds=3", "did you mean [federation]?"},
                    bad_option{"federation.rounds=ten", "expected an integer, found a string"},
                    bad_option{"federation.rounds=", "expected an integer, found a string"},
                    bad_option{"federation.rounds=1.5.2", "expected an integer, found a string"},
                    bad_option{"federation.rounds=3\nseed=4", "expected an integer, found a string"},
                    bad_option{"data.partition=idd", "did you mean \"iid\"?"},
                    bad_option{"federation.batch_size=0", "(--set federation.batch_size=0): 0 is impossible"},
                    bad_option{"federation.clients=2", "clients_per_round = 5 is more than"},
                    bad_option{"output.path=\xff", "cannot parse"},
                    bad_option{"data.path.deep=x", "unknown key data.path.deep"}));

class bad_path : public testing::Test {
protected:
    bad_path()
        : folder_(std::filesystem::temp_directory_path() /
                  ("feddip-bad-config-" + std::to_string(getpid()))) {
        std::filesystem::create_directories(folder_);
    }
    ~bad_path() override { std::filesystem::remove_all(folder_); }

    std::string complaint_about_file(const std::filesystem::path& file) const {
        return message_of([&] { load(file, {}); });
    }

    std::filesystem::path folder_;
};

TEST_F(bad_path, is_named_when_nothing_is_there) {
    EXPECT_THAT(complaint_about_file(folder_ / "absent.toml"),
                HasSubstr("absent.toml): No such file or directory"));
}

TEST_F(bad_path, is_named_when_it_is_a_folder) {
    EXPECT_THAT(complaint_about_file(folder_), HasSubstr("it is a folder"));
}

TEST_F(bad_path, is_not_read_to_the_end_when_it_is_huge) {
    const auto file = folder_ / "huge.toml";
    std::ofstream(file) << "";
    std::filesystem::resize_file(file, std::uintmax_t{1} << 33); // sparse

    EXPECT_THAT(complaint_about_file(file), HasSubstr("more than 1048576 bytes"));
}

} // namespace
} // namespace feddip::config
