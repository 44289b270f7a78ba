#include "app/idle_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace feddip::app {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> idle_in(const std::string& toml) {
    return idle_settings(config::parse(toml, "test", {}));
}

TEST(idle_settings, name_what_another_key_has_switched_off) {
    EXPECT_THAT(idle_in("[attack]\nclients = 3\nstrength = 5"),
                ElementsAre("attack.clients = 3 does nothing: attack.kind is \"none\"",
                            "attack.strength = 5.0 does nothing: attack.kind is \"none\""));
    EXPECT_THAT(idle_in("[aggregation]\nclip = 2"),
                ElementsAre("aggregation.clip = 2.0 does nothing: aggregation.rule is \"mean\""));
    EXPECT_THAT(idle_in("[budget]\ndensity = 0.5"),
                ElementsAre("budget.density = 0.5 does nothing: budget.mode is \"none\""));
    EXPECT_EQ(idle_in("[drift]\nat = 3\nstrength = 1\npattern = \"recurring\"\nclients = 0.5").size(), 4U);
    EXPECT_THAT(idle_in("[method]\nname = \"fedavg\"\n[communication]\nupload = \"dense\""),
                ElementsAre("communication.upload = \"dense\" does nothing: method.name is \"fedavg\""));
    EXPECT_EQ(
        idle_in("[method]\nname = \"flash\"\n[sparsity]\nlayer_floor = 0.01\nstart_mask = \"per_client\"")
            .size(),
        2U);
    EXPECT_THAT(idle_in("[data]\npartition = \"iid\"\ndirichlet_alpha = 0.1"),
                ElementsAre("data.dirichlet_alpha = 0.1 does nothing: data.partition is \"iid\""));
    EXPECT_THAT(idle_in("[method]\nname = \"prunetrain\"\n[regularization]\nmaximum = 0.01"),
                ElementsAre("regularization.maximum = 0.01 does nothing: method.name is \"prunetrain\""));
    EXPECT_EQ(idle_in("[fedprox]\nmu = 1\n[dispfl]\nneighbours = 3").size(), 2U);
    EXPECT_EQ(
        idle_in("[method]\nname = \"snip\"\n[sparsity]\ninitial = 0.2\nhorizon = 9\nstart = \"uniform\"")
            .size(),
        3U);
    EXPECT_EQ(
        idle_in("[adaptation]\nthreshold = 9\n[faults]\nslow_factor = 3\n[privacy]\ndelta = 0.01").size(),
        3U);
    EXPECT_THAT(idle_in("[method]\nname = \"fedavg\"\n[compute]\nkernels = \"sparse\""),
                ElementsAre("compute.kernels = \"sparse\" does nothing: without masks the kernels are those "
                            "that are faster"));
    EXPECT_THAT(idle_in("[budget]\nmode = \"fixed\"\ndensity = 0.5\ndeadline_s = 3"),
                ElementsAre("budget.deadline_s = 3.0 does nothing: budget.mode is \"fixed\""));
}

TEST(idle_settings, name_what_the_authors_variant_leaves_unread) {
    EXPECT_THAT(idle_in("[method]\nname = \"fedprox\"\nvariant = \"authors\"\n[fedprox]\nmu = 0.5"),
                ElementsAre("fedprox.mu = 0.5 does nothing: method.name is \"fedprox\" and method.variant is "
                            "\"authors\""));
    EXPECT_EQ(idle_in("[method]\nname = \"prunefl\"\nvariant = \"authors\"\n[prunefl]\ninitial_rounds = "
                      "7\nremovable_share = 0.1")
                  .size(),
              2U);
    EXPECT_THAT(idle_in("[method]\nname = \"fedprox\"\n[fedprox]\nmu = 0.5"), IsEmpty());
}

TEST(idle_settings, name_the_other_detectors_keys) {
    EXPECT_THAT(
        idle_in("[adaptation]\nanswer = \"regrow\"\nconfidence = 0.5"),
        ElementsAre("adaptation.confidence = 0.5 does nothing: adaptation.detector is \"page_hinkley\""));
    EXPECT_THAT(idle_in("[adaptation]\nanswer = \"regrow\"\ndetector = \"adwin\"\ntolerance = 0.5"),
                ElementsAre("adaptation.tolerance = 0.5 does nothing: adaptation.detector is \"adwin\""));
}

TEST(idle_settings, name_a_feddst_that_is_over_before_it_begins) {
    EXPECT_THAT(
        idle_in("[method]\nname = \"feddst\"\n[federation]\nrounds = 10"),
        ElementsAre("method.name = \"feddst\" readjusts no mask: sparsity.horizon = 5 leaves no round for it "
                    "before its share has fallen to 0"));
    EXPECT_THAT(idle_in("[method]\nname = \"feddst\"\n[federation]\nrounds = 12"), IsEmpty());
}

TEST(idle_settings, name_what_budgets_leave_unread) {
    EXPECT_THAT(idle_in("[budget]\nmode = \"drop\"\ndeadline_s = 1\nranking = \"width\""),
                ElementsAre("budget.ranking = \"width\" does nothing: budget.mode is \"drop\""));
    EXPECT_EQ(idle_in("[budget]\nmode = \"fixed\"\nrotate = true\nranking = \"width\"\nlayer_floor = 1\n"
                      "ranked_every = 1\nfeedback = 0.5")
                  .size(),
              5U);
    EXPECT_THAT(idle_in("[budget]\nmode = \"fixed\"\ndensity = 0.5\nfeedback = 0.5"),
                ElementsAre("budget.feedback = 0.5 does nothing: every budget.density is below 1"));
    EXPECT_THAT(idle_in("[method]\nname = \"flash\"\n[budget]\nmode = \"bytes\"\nbytes_per_round = 1e5\n"
                        "feedback = 0.5"),
                ElementsAre("budget.feedback = 0.5 does nothing: method.name is \"flash\""));
    EXPECT_EQ(idle_in("[method]\nname = \"fedavg\"\n[communication]\nvalue_type = \"bf16\"\n[budget]\n"
                      "mode = \"bytes\"\nbytes_per_round = 1e5\nranking = \"width\"\nlayer_floor = 1\n"
                      "ranked_every = 1\nfeedback = 0.5")
                  .size(),
              3U);
    EXPECT_THAT(idle_in("[adaptation]\nanswer = \"relax\"\nregrown_share = 0.5"),
                ElementsAre("adaptation.regrown_share = 0.5 does nothing: adaptation.answer is \"relax\""));
    EXPECT_EQ(idle_in("[adaptation]\nanswer = \"regrow\"\nrelaxed_sparsity = 0.5").size(), 1U);
}

TEST(idle_settings, name_what_flash_leaves_unread_where_its_mask_rests) {
    EXPECT_THAT(idle_in("[method]\nname = \"flash\"\n[sparsity]\nhorizon = 9"),
                ElementsAre("sparsity.horizon = 9 does nothing: flash.readjust is false"));
    EXPECT_EQ(idle_in("[flash]\nreadjust = true").size(), 1U);
}

TEST(idle_settings, are_none_where_all_are_at_work) {
    for (const auto* toml : {
             "",
             "[attack]\nkind = \"sign_flip\"\nclients = 3\nstrength = 5",
             "[aggregation]\nrule = \"norm_bound\"\nclip = 2",
             "[aggregation]\nrule = \"centered_clipping\"\nclip = 2",
             "[budget]\nmode = \"fixed\"\ndensity = 0.5",
             "[compute]\nkernels = \"sparse\"",
             "[method]\nname = \"fedavg\"\n[compute]\nkernels = \"dense\"",
             "[method]\nname = \"fedavg\"\n[compute]\nkernels = \"sparse\"\n[budget]\nmode = \"fixed\"\n"
             "density = 0.5",
             "[budget]\nmode = \"fixed\"\ndensity = 0.5\nrotate = true\nlayer_floor = 1\n"
             "ranked_every = 1",
             "[links]\nshares = [0.5, 0.5]\n[budget]\nmode = \"fixed\"\ndensity = [1, 0.5]\nfeedback = 0.5",
             "[method]\nname = \"fedavg\"\n[communication]\nvalue_type = \"bf16\"\n[budget]\nmode = "
             "\"bytes\"\n"
             "bytes_per_round = 1e5\nfeedback = 0.5",
             "[adaptation]\nanswer = \"regrow\"\nregrown_share = 0.5",
             "[drift]\nsamples_per_round = 100",
             "[drift]\nkind = \"blur\"\nat = 3\nstrength = 1",
             "[sparsity]\nlayer_floor = 0.01\nstart_mask = \"per_client\"\n[communication]\nupload = "
             "\"dense\"",
             "[method]\nname = \"fedavg\"",
             "[method]\nname = \"fedprox\"\n[fedprox]\nmu = 1",
             "[method]\nname = \"flash\"\n[flash]\nreadjust = true\n[sparsity]\nhorizon = 9\nfinal_rounds = "
             "9",
             "[method]\nname = \"feddst\"\n[sparsity]\nstart = \"uniform\"\nstart_scale = "
             "\"density\"\nhorizon = 9",
             "[data]\npartition = \"dirichlet\"\ndirichlet_alpha = 0.1",
             "[data]\npartition = \"pathological\"\nclasses_per_client = 3",
         }) {
        EXPECT_THAT(idle_in(toml), IsEmpty()) << toml;
    }
}

} // namespace
} // namespace feddip::app
