"""The verdicts on the paper's claims, on made-up runs whose answers are known."""

import math
import sys
import unittest

try:
    import numpy as np
    import xarray  # noqa: F401
    from scipy import stats
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from feddip_analysis import claim_figures, claims, collect, decision, plan, plots, published, report, results, statistics, study, targets
from feddip_analysis.claims import (
    CONTRADICTED,
    MIXED,
    NOT_COMPARABLE,
    PARTLY_CONTRADICTED,
    PARTLY_SUPPORTED,
    SUPPORTED,
)
from feddip_analysis.statistics import EQUIVALENT, INCONCLUSIVE, INFERIOR, SUPERIOR, UNDECIDED
from made_runs import ROUNDS, Made, as_much_from_each_byte
from synthetic import SLOTS


class Statistics(unittest.TestCase):
    def test_the_spread_is_that_of_a_sample_and_needs_two(self):
        self.assertEqual(statistics.mean_of([1.0, 2.0, 3.0]), statistics.Mean(2.0, 1.0, 3))
        self.assertTrue(math.isnan(statistics.mean_of([1.0]).std))
        self.assertEqual(statistics.mean_of([1.0, float("nan"), 3.0]).n, 2)

    def test_without_pairs_the_variance_is_pooled(self):
        a, b = [5.0, 7.0, 9.0], [4.0, 5.0]
        difference, low, high = statistics.unpaired(a, b)
        p = stats.ttest_ind(a, b).pvalue
        self.assertAlmostEqual(difference, 2.5)
        half = stats.t.ppf(0.975, 3) * 2.5 / abs(stats.ttest_ind(a, b).statistic)
        self.assertAlmostEqual(high - low, 2 * half, places=9)
        self.assertEqual(low < 0 < high, p > 0.05)
        self.assertTrue(math.isnan(statistics.unpaired([1.0], [2.0])[1]))

    def test_the_same_seeds_are_paired(self):
        a, b = {1: 5.0, 2: 7.0, 3: 9.0}, {3: 6.0, 1: 4.0, 2: 5.0}
        compared = statistics.compare(a, b)  # differences 1, 2, 3
        self.assertEqual((compared.difference, compared.n), (2.0, 3))
        self.assertAlmostEqual(compared.p_different, 0.0741799, places=6)  # t = 2 sqrt 3, 2 degrees of freedom
        self.assertAlmostEqual(compared.high - 2, 4.3026527 / math.sqrt(3), places=6)

    def test_seeds_that_only_one_side_has_or_measured_are_left_out(self):
        a = {1: 5.0, 2: 7.0, 3: 9.0, 4: 99.0, 5: float("nan")}
        b = {0: -99.0, 1: 4.0, 2: 5.0, 3: 6.0, 5: 1.0}
        self.assertEqual(statistics.compare(a, b), statistics.compare({1: 5, 2: 7, 3: 9}, {1: 4, 2: 5, 3: 6}))

    def test_two_seeds_are_too_few(self):
        compared = statistics.compare({1: 0.9, 2: 0.9}, {1: 0.8, 2: 0.7, 3: 0.6})
        self.assertEqual((compared.tested, compared.n), (False, 2))
        self.assertAlmostEqual(compared.difference, 0.15)
        self.assertTrue(math.isnan(compared.p_different) and math.isnan(compared.p_equivalent))
        self.assertEqual(statistics.compare({1: 0.9}, {2: 0.8}).n, 0)

    def test_two_one_sided_tests_show_equivalence(self):
        for shift in (0.0, 0.004, -0.006, 0.02):
            a = {seed: shift + error for seed, error in enumerate((0.001, -0.002, 0.0015, 0.0005))}
            differences = np.array(list(a.values()))
            above = stats.ttest_1samp(differences, -0.01, alternative="greater").pvalue
            below = stats.ttest_1samp(differences, 0.01, alternative="less").pvalue
            compared = statistics.compare(a, dict.fromkeys(a, 0.0), margin=0.01)
            self.assertAlmostEqual(compared.p_equivalent, max(above, below), places=12)

    def test_a_one_sided_test_shows_a_loss_that_matters(self):
        for shift in (0.0, -0.009, -0.012, -0.03):
            a = {seed: shift + error for seed, error in enumerate((0.001, -0.002, 0.0015, 0.0005))}
            below = stats.ttest_1samp(list(a.values()), -0.01, alternative="less").pvalue
            compared = statistics.compare(a, dict.fromkeys(a, 0.0), margin=0.01)
            self.assertAlmostEqual(compared.p_below, below, places=12)

    def test_without_spread_the_mean_is_known(self):
        zero = dict.fromkeys((1, 2, 3), 0.0)
        for shift, p in ((0.0, (1, 0)), (0.005, (0, 0)), (0.5, (0, 1))):
            compared = statistics.compare({seed: shift for seed in zero}, zero, margin=0.01)
            self.assertEqual((compared.p_different, compared.p_equivalent), p)

    def test_p_is_corrected_for_all_cases_those_that_are_decided_and_those_to_come_included(self):
        zero = dict.fromkeys((1, 2, 3), 0.0)
        lost = statistics.compare({1: -0.0985, 2: -0.1, 3: -0.1015}, zero)
        near = statistics.compare({1: -0.002, 2: 0.001, 3: 0.002}, zero)
        judged = statistics.verdicts([lost, statistics.compare({}, {}), near])
        self.assertEqual([j.verdict for j in judged], [INFERIOR, UNDECIDED, EQUIVALENT])
        for j in judged[::2]:
            c = j.compared
            expected = [min(1, 3 * p) for p in (c.p_different, c.p_equivalent, c.p_below)]
            np.testing.assert_allclose([j.p_different, j.p_equivalent, j.p_below], expected)
        self.assertTrue(math.isnan(judged[1].p_different))

    def test_one_hypothesis_of_a_case_is_never_rejected(self):
        for shift in np.linspace(-0.05, 0.05, 41):
            c = statistics.compare({1: shift - 0.001, 2: shift, 3: shift + 0.002}, dict.fromkeys((1, 2, 3), 0.0))
            self.assertGreaterEqual(max(c.p_equivalent, c.p_below), 0.5)

    def test_the_corrected_p_decides(self):
        ours = {1: 0.0185, 2: 0.02, 3: 0.0215}  # t = 23, p = 0.0019
        compared = statistics.compare(ours, dict.fromkeys(ours, 0.0))
        self.assertEqual([j.verdict for j in statistics.verdicts([compared] * 20)], [SUPERIOR] * 20)
        self.assertEqual([j.verdict for j in statistics.verdicts([compared] * 30)], [INCONCLUSIVE] * 30)
        alone = statistics.verdicts([compared])[0]
        self.assertAlmostEqual(alone.p_different, compared.p_different)

    def test_a_sure_difference_within_the_margin_is_none_that_matters(self):
        def verdict(*values):
            return statistics.verdicts([statistics.compare(dict(enumerate(values)), dict.fromkeys(range(9), 0.0))])[
                0
            ].verdict

        self.assertEqual(verdict(0.0029, 0.003, 0.0031), EQUIVALENT)
        self.assertEqual(verdict(0.029, 0.03, 0.031), SUPERIOR)
        self.assertEqual(verdict(-0.029, -0.03, -0.031), INFERIOR)
        self.assertEqual(verdict(-0.04, 0.05, 0.01), INCONCLUSIVE)
        self.assertEqual(verdict(0.03, 0.03), UNDECIDED)


class FinalAccuracy(Made):
    def changing(self, *rounds):
        return {"mask_change": np.isin(np.arange(1, ROUNDS + 1), rounds) * 0.01}

    def curve(self, *last):
        return {"test_accuracy": np.concatenate([np.full(ROUNDS - len(last), 0.5), last])}

    def test_is_that_of_the_rounds_after_the_mask_last_changed(self):
        run = self.run_of(rounds=ROUNDS, columns=self.changing(1, 36) | self.curve(0.1, 0.6, 0.7, 0.8, 0.9))
        self.assertEqual(results.rested(run), 4)
        self.assertAlmostEqual(results.final_accuracy(run, results.last_rounds([run])), 0.75)

    def test_is_that_of_ten_rounds_where_the_mask_rests_longer(self):
        dense = self.run_of(method="fedavg", rounds=ROUNDS)
        self.assertEqual((results.rested(dense), results.last_rounds([dense])), (ROUNDS, 10))

    def test_of_methods_side_by_side_is_that_of_the_same_rounds(self):
        self.write("fedavg", 1, 0.8, columns=self.curve(0.2, 0.6, 0.7, 0.8, 0.9))
        self.write("feddip", 1, 0.8, columns=self.changing(36))
        setting = self.families()[0].settings[0]
        self.assertEqual(setting.last, 4)
        self.assertAlmostEqual(setting.fedavg.final.mean, 0.75)

    def test_variations_say_over_how_many_rounds_they_are_averaged(self):
        self.write("feddip", 1, 0.8, columns=self.changing(1, 36))
        self.write("feddip", 1, 0.8, columns=self.changing(1, 36), config={"sparsity.regrow": False})
        (family,) = self.families()
        table = published._variations(family, family.entries)
        self.assertTrue(table.endswith("|\n\nAccuracy is the mean of the last 4 rounds, in which no mask changes.\n"), table)

    def test_masks_that_change_to_the_end_have_no_say_in_it(self):
        self.write("feddip", 1, 0.8, columns=self.changing(30))
        self.write("prunetrain", 1, 0.8, columns=self.changing(*range(1, ROUNDS + 1)))
        self.write("feddst", 1, 0.8, columns=self.changing(38))
        setting = self.families()[0].settings[0]
        self.assertEqual(setting.last, 10)
        self.assertEqual([e.settles for e in setting.main], [True, False, False])


class Entries(Made):
    FROZEN = {"sparsity.final_rounds": 1000.0, "adaptation.answer": "none"}
    REGROWS = FROZEN | {"adaptation.answer": "regrow", "adaptation.regrown_share": 0.3}

    def test_no_two_of_a_setting_have_the_same_name(self):
        self.write_seeds("feddip", 0.8, config=self.REGROWS)
        self.write_seeds("feddip", 0.8, seeds=(1, 2), config=self.FROZEN)
        self.write("feddip", 1, 0.8)
        self.write("feddip", 1, 0.8, config=self.REGROWS | {"aggregation.rule": "norm_bound", "aggregation.clip": 1.0})
        self.write("feddip", 1, 0.8, config=self.REGROWS | {"communication.newer": "b"})
        (setting,) = self.families()[0].settings
        self.assertEqual([e.variation for e in setting.main], [""])
        self.assertEqual(setting.find("FedDIP", 0.9).n, 3)
        variations = [e.variation for e in setting.entries]
        self.assertEqual(len(set(variations)), 5, variations)
        self.assertIn("answer none", variations)
        self.assertIn("answer none, final rounds 0", variations)
        self.assertEqual(sum("clip 1" in v for v in variations), 1)

    def test_keys_that_only_the_usual_runs_have_are_named_too(self):
        self.write_seeds("feddip", 0.8, config={"communication.newer": "b"})
        self.write("feddip", 4, 0.8)
        (setting,) = self.families()[0].settings
        self.assertEqual([(e.variation, e.n) for e in setting.entries], [("", 3), ("no newer", 1)])

    def test_runs_under_attack_or_drift_or_on_other_links_are_another_problem(self):
        timed = {"columns": {"simulated_seconds": np.ones(ROUNDS)}}
        for config in ({}, {"attack.kind": "sign_flip"}, {"drift.kind": "rotation"}, {"links.uplink_mbit": 1.0}):
            for method in ("fedavg", "feddip"):
                self.write(method, 1, 0.8, config=config, **(timed if "links.uplink_mbit" in config else {}))
        found = self.families()
        self.assertEqual([len(f.entries) for f in found], [2] * 4)
        self.assertEqual(len({f.title for f in found}), 4)
        for family in found:
            kinds = [results.config(e.group.first).get("attack.kind") for e in family.entries]
            self.assertEqual(len(set(kinds)), 1)
            self.assertIsNotNone(family.settings[0].fedavg)


    def test_runs_that_protect_clients_otherwise_are_another_problem(self):
        for method, epsilon in (("fedavg", 1.0), ("feddip", 8.0)):
            self.write_seeds(method, 0.8, config={"privacy.clip": 1.0, "privacy.epsilon": epsilon})
        found = self.families()
        self.assertEqual(sorted(f.title.split(", ")[-1] for f in found), ["epsilon 1", "epsilon 8"])
        self.assertEqual([c.cases for c in claims.check(found)], [[]] * 5)

    def test_of_two_run_as_often_the_main_one_has_nothing_that_the_paper_has_not(self):
        rests = {"sparsity.final_rounds": 10.0, "sparsity.horizon": 5}
        for config in (rests, {"sparsity.horizon": 20}, {"sparsity.horizon": 5}):
            self.write_seeds("feddip", 0.8, config=config)
        self.assertEqual(sorted(e.variation for e in self.families()[0].entries), ["", "$R$ = 20", "final rounds 10"])


class Fates(Made):
    def test_runs_that_end_near_chance_are_counted_and_the_others_mean_stands_beside(self):
        self.write("snip", 1, 0.1)
        self.write("snip", 2, 0.0, columns={"test_accuracy": np.where(np.arange(ROUNDS) < 30, 0.7, 0.12)})
        self.write("snip", 3, 0.8)
        entry = self.families()[0].settings[0].find("SNIP", 0.9)
        self.assertEqual(entry.fates, {1: study.STAYED, 2: study.COLLAPSED})
        self.assertAlmostEqual(entry.others.mean, 0.8)
        said = "1 of 3 runs collapsed and 1 of 3 runs stayed at chance, the others at 80.00 %"
        self.assertEqual(claims.fates(entry), said)

    def test_personal_models_are_held_against_each_clients_majority_class(self):
        for seed, accuracy in ((1, 0.53), (2, 0.6)):
            self.write("dispfl", seed, accuracy, partition="pathological")
            self.write("snip", seed, accuracy, partition="pathological")
        setting = self.families()[0].settings[0]
        self.assertEqual(setting.find("DisPFL", 0.9).fates, {1: study.STAYED})
        self.assertEqual(setting.find("SNIP", 0.9).fates, {})


class Budgets(Made):
    def test_what_is_had_for_so_many_bytes_has_the_sparsity_of_that_moment(self):
        t = np.arange(1, 61)
        sent = {"bytes_up": np.uint64(7), "bytes_down": np.uint64(3)}
        run = self.run_of(rounds=60, columns=sent | {"test_accuracy": 0.01 * t, "sparsity": t / 100})
        got = targets.bought(run, 329, last=10)
        self.assertEqual((got.round, got.sparsity, got.ended), (32, 0.32, False))
        self.assertAlmostEqual(got.accuracy, 0.32)  # of rounds 30 .. 34
        self.assertIsNone(targets.bought(run, 9, last=10))

    def test_of_two_that_learn_as_much_from_each_byte_none_has_more_for_its_bytes(self):
        for every in (1, 4):
            dear, cheap = as_much_from_each_byte(self, every)
            for budget in (80, 200, 440, 580):
                for run in (dear, cheap):
                    self.assertAlmostEqual(targets.bought(run, budget, last=10).accuracy, budget / 2000, places=9)
        self.assertTrue(np.isnan(targets.bought(dear, 60, last=10).accuracy))  # round 3, and the first evaluated is the fourth

    def test_an_accuracy_that_runs_have_reached_and_lost_is_marked(self):
        for seed in (1, 2):
            self.write("fedavg", seed, 0.88)
            self.write("feddip", seed, 0.0, columns={"test_accuracy": np.where(np.arange(ROUNDS) < 30, 0.87, 0.78)})
        family = self.families()[0]
        table = published._bytes_to_reach(family, family.entries)
        cells = {row.split(" | ")[1]: row.rstrip(" |").split(" | ")[-1] for row in table.splitlines()[2:]}
        self.assertNotIn("‡", cells["75 %"])
        self.assertTrue(cells["86 %"].endswith("2 of 2 ‡"), cells)
        self.assertEqual(cells["88 %"], "0 of 2")

    def test_a_run_that_has_ended_keeps_its_final_accuracy(self):
        run = self.run_of(rounds=60, columns={"test_accuracy": 0.01 * np.arange(1, 61)})
        got = targets.bought(run, float(run.bytes_total[-1]), last=3)
        self.assertEqual((got.round, got.ended), (60, True))
        self.assertAlmostEqual(got.accuracy, 0.59)


class Checked(Made):
    def claim(self, key, planned=None, **limits):
        found = claims.check(self.families(), claims.Limits(**limits), planned)
        return next(c for c in found if c.key == key)

    def verdicts(self, key, **limits):
        return [case.verdict for case in self.claim(key, **limits).cases]


class Claims(Checked):
    def test_near_fedavg_is_equivalent_within_the_margin(self):
        self.write_seeds("fedavg", 0.80)
        self.write_seeds("feddip", 0.795, gap=0.0005)
        self.assertEqual(self.verdicts("near-fedavg"), [EQUIVALENT])
        self.assertEqual(self.claim("near-fedavg").verdict, SUPPORTED)
        self.assertEqual(self.verdicts("near-fedavg", margin=0.003), [INFERIOR])
        self.assertEqual(self.claim("near-fedavg", margin=0.003).verdict, CONTRADICTED)

    def test_a_loss_that_may_lie_within_the_margin_does_not_contradict_nearness(self):
        self.write_seeds("fedavg", 0.80)
        for seed, accuracy in ((1, 0.789), (2, 0.798), (3, 0.809)):  # −1.1, −1.2, −1.1 points
            self.write("feddip", seed, accuracy)
        case = self.claim("near-fedavg", margin=0.0112).cases[0]
        self.assertEqual((case.verdict, case.supports), (INFERIOR, None))
        self.assertLess(case.compared.low, -0.0112)
        self.assertGreater(case.compared.high, -0.0112)

    def test_a_loss_beyond_the_margin_is_sure_only_once_corrected_for_all_cases(self):
        for sparsity in (0.9, 0.95, 0.98):
            for seed, off in ((1, -0.00541), (2, 0.0), (3, 0.00541)):
                self.write("feddip", seed, 0.775 + off, sparsity=sparsity)
        for seed in (1, 2, 3):
            self.write("fedavg", seed, 0.8)
        claim = self.claim("near-fedavg")
        self.assertEqual({(c.verdict, c.supports) for c in claim.cases}, {(INFERIOR, None)})
        self.assertTrue(all(c.compared.high < -0.01 and c.compared.p_below < 0.025 for c in claim.cases))
        self.assertIn(f"of a loss beyond that {3 * claim.cases[0].compared.p_below:.2g}", claim.cases[0].evidence)
        alone = self.claim("near-fedavg", high=0.98)
        self.assertEqual([(c.verdict, c.supports) for c in alone.cases], [(INFERIOR, False)])

    def test_near_fedavg_is_not_decided_by_a_difference_too_uncertain_to_tell(self):
        self.write_seeds("fedavg", 0.80)
        self.write_seeds("feddip", 0.79, gap=0.04)
        claim = self.claim("near-fedavg")
        self.assertEqual((claim.cases[0].verdict, claim.verdict), (INCONCLUSIVE, UNDECIDED))

    def test_near_fedavg_speaks_of_high_sparsity_on_iid_data(self):
        for partition in ("iid", "dirichlet"):
            self.write_seeds("fedavg", 0.8, partition=partition)
            for sparsity in (0.8, 0.9, 0.95):
                self.write_seeds("feddip", 0.8, sparsity=sparsity, partition=partition)
        where = [case.where for case in self.claim("near-fedavg").cases]
        self.assertEqual(where, ["i.i.d., s = 0.9", "i.i.d., s = 0.95"])

    def test_fewer_than_three_common_seeds_decide_nothing(self):
        for method, accuracy in (("fedavg", 0.8), ("feddip", 0.8), ("feddp", 0.7), ("snip", 0.7)):
            seeds = (1, 2, 3) if method == "feddip" else (2, 3, 4)
            for partition in ("iid", "dirichlet"):
                self.write_seeds(method, accuracy, seeds, sparsity=0.95, partition=partition)
        found = claims.check(self.families())
        self.assertEqual([c.verdict for c in found], [UNDECIDED] * 5)
        self.assertEqual([len(c.cases) for c in found], [1, 2, 2, 6, 1])
        self.assertEqual({case.name for c in found for case in c.cases}, {"not decided: 2 seeds"})

    def test_without_runs_there_is_no_case(self):
        self.write_seeds("fedavg", 0.8)
        for claim in claims.check(self.families()):
            self.assertEqual((claim.verdict, claim.cases), (UNDECIDED, []))

    def test_as_good_as_others_is_equivalent_or_superior_to_each(self):
        self.write_seeds("feddip", 0.85, gap=0.0005)
        self.write_seeds("snip", 0.80)
        self.write_seeds("feddst", 0.85)
        self.write_seeds("prunefl", 0.90)
        claim = self.claim("others")
        self.assertEqual(
            {case.where: case.verdict for case in claim.cases},
            {
                "i.i.d., s = 0.9, against SNIP": SUPERIOR,
                "i.i.d., s = 0.9, against PruneFL": INFERIOR,
                "i.i.d., s = 0.9, against FedDST": EQUIVALENT,
            },
        )
        self.assertEqual([case.supports for case in claim.cases], [True, False, True])
        self.assertEqual(claim.verdict, MIXED)
        self.assertEqual(claim.summary, "3 cases run, 3 decided (1 superior, 1 equivalent, 1 inferior).")

    def test_cases_won_against_runs_near_chance_are_said_to_be(self):
        self.write_seeds("feddip", 0.85, gap=0.0005)
        self.write_seeds("snip", 0.10, gap=0.0001)
        claim = self.claim("others")
        self.assertIn("SNIP: 3 of 3 runs stayed at chance", claim.cases[0].evidence)
        self.assertEqual(claim.summary, "1 case run, 1 decided (1 superior, 1 of them to runs near chance).")

    def test_pairs_that_were_computed_with_unlike_instructions_are_said_to_be(self):
        for seed in (1, 2, 3):
            self.write("feddip", seed, 0.85)
            self.write("snip", seed, 0.84, instructions="AVX2" if seed == 2 else "AVX-512")
            self.write("feddst", seed, 0.84)
        evidence = {case.where: case.evidence for case in self.claim("others").cases}
        self.assertTrue(evidence["i.i.d., s = 0.9, against SNIP"].endswith("; 2 pairs across instruction sets"))
        self.assertNotIn("instruction", evidence["i.i.d., s = 0.9, against FedDST"])

    def test_all_cases_of_a_claim_are_one_family(self):
        for i, sparsity in enumerate((0.8, 0.9, 0.95, 0.98)):
            for seed, off in ((1, -0.003), (2, 0.0), (3, 0.003)):  # p = 0.0074 each
                self.write("feddip", seed, 0.75 + off * (1 + 0.01 * i), sparsity=sparsity)
                self.write("snip", seed, 0.73, sparsity=sparsity)
        p = float(self.claim("others").cases[0].compared.p_different)
        self.assertEqual(set(self.verdicts("others")), {SUPERIOR})
        self.assertIn(f"p of a difference {4 * p:.2g}", self.claim("others").cases[0].evidence)

    def test_only_equal_densities_are_compared(self):
        self.write_seeds("feddip", 0.85)
        self.write_seeds("prunetrain", 0.80, columns={"sparsity": 0.88})
        self.write_seeds("snip", 0.80, columns={"sparsity": 0.891})
        found = {c.where.split()[-1]: c for c in self.claim("others").cases}
        self.assertEqual(found["PruneTrain"].verdict, NOT_COMPARABLE)
        self.assertIn("density 10.00 % and 12.00 %", found["PruneTrain"].evidence)
        self.assertEqual(found["SNIP"].verdict, SUPERIOR)

    def test_a_rival_that_reaches_the_density_by_another_setting_is_the_one_compared(self):
        self.write_seeds("feddip", 0.85)
        self.write_seeds("prunetrain", 0.90, columns={"sparsity": 0.88})
        self.write_seeds("prunetrain", 0.80, sparsity=0.93, columns={"sparsity": 0.901})
        self.assertEqual(self.verdicts("others"), [SUPERIOR])

    def test_other_sparsities_personal_models_and_what_does_not_prune_are_no_rivals(self):
        self.write_seeds("feddip", 0.85)
        self.write_seeds("snip", 0.80, sparsity=0.8)
        self.write_seeds("dispfl", 0.80)
        self.write_seeds("fedprox", 0.80)
        self.assertEqual(self.claim("others").cases, [])

    def test_regularization_is_looked_at_where_sparsity_is_extreme(self):
        for sparsity, plain in ((0.9, 0.70), (0.95, 0.80), (0.98, 0.85)):
            self.write_seeds("feddip", 0.85, sparsity=sparsity, gap=0.0005)
            self.write_seeds("feddp", plain, sparsity=sparsity)
        self.assertEqual(self.verdicts("regularization"), [SUPERIOR, EQUIVALENT])
        self.assertEqual(self.verdicts("regularization", extreme=0.98), [EQUIVALENT])

    def test_a_sure_gain_within_the_margin_is_for_what_asks_for_more(self):
        for sparsity, plain in ((0.95, 0.85), (0.98, 0.8551)):
            self.write_seeds("feddip", 0.855, sparsity=sparsity, gap=0.0005)
            self.write_seeds("feddp", plain, sparsity=sparsity)
        found = [(case.verdict, case.supports) for case in self.claim("regularization").cases]
        self.assertEqual(found, [(EQUIVALENT, True), (EQUIVALENT, False)])

    def test_of_two_rivals_of_one_method_the_one_at_the_nearer_density_is_taken(self):
        self.write_seeds("feddip", 0.85, sparsity=0.9)
        for sparsity, accuracy in ((0.895, 0.80), (0.9, 0.90)):
            self.write_seeds("snip", accuracy, sparsity=sparsity)
        self.assertEqual([case.verdict for case in self.claim("others").cases], [INFERIOR])

    def test_less_traffic_is_more_accuracy_for_the_same_bytes(self):
        self.write_seeds("fedavg", 0.8, per_round=100)
        self.write_seeds("feddip", 0.8, per_round=40, sparsity=0.8)
        self.write_seeds("feddip", 0.8, per_round=110, sparsity=0.9)
        cases = self.claim("traffic", budgets=(0.03, 0.1, 0.3, 1.0)).cases
        self.assertEqual([c.verdict for c in cases[:4]], [SUPERIOR] * 3 + [EQUIVALENT])
        self.assertEqual([c.supports for c in cases[:4]], [True] * 4)  # as much for 40 % of the bytes
        self.assertIn("of which FedDIP has spent 16 kB in all", cases[3].evidence)
        self.assertEqual([c.verdict for c in cases[5:]], [INFERIOR, INFERIOR, EQUIVALENT])
        self.assertEqual([c.supports for c in cases[5:]], [False] * 3)  # as much for more bytes

    def test_less_traffic_says_how_sparse_the_model_was_at_that_moment(self):
        self.write_seeds("fedavg", 0.8)
        self.write_seeds("feddip", 0.8, per_round=40)
        case = self.claim("traffic").cases[1]
        run = next(r for f in self.families() for e in f.entries if e.method == "FedDIP" for r in e.group.runs)
        then = float(run.sparsity.sel(round=10))  # 4 kB at 400 B per round
        self.assertIn(f"4 kB, FedDIP at {100 * then:.0f} % of sparsity then", case.evidence)
        self.assertLess(then, 0.85)

    def test_stable_is_near_fedavg_and_not_much_more_restless(self):
        for partition, wobble in (("dirichlet", 0.011), ("pathological", 0.02)):
            self.write_seeds("fedavg", 0.8, partition=partition, wobble=0.01)
            self.write_seeds("feddip", 0.8, partition=partition, wobble=wobble)
        self.write_seeds("fedavg", 0.8)
        self.write_seeds("feddip", 0.6)
        claim = self.claim("stable")
        self.assertEqual(
            {case.where: (case.verdict, case.supports) for case in claim.cases},
            {"2 classes per client, s = 0.9": (EQUIVALENT, False), "Dirichlet 0.5, s = 0.9": (EQUIVALENT, True)},
        )
        self.assertEqual(claim.verdict, MIXED)

    def made(self, *cases):
        compared = statistics.compare({}, {})
        return claims.Claim("", "", "", [claims.Case("", v, "", s, compared, False, True) for v, s in cases])

    def test_a_verdict_on_few_of_the_cases_says_so(self):
        against, untested = (EQUIVALENT, False), (UNDECIDED, None)
        self.assertEqual(self.made(against).name, "contradicted")
        self.assertEqual(self.made(against, untested, untested).name, "partly contradicted (0 for, 1 against, of 3 cases)")
        self.assertEqual(self.made(against, (INFERIOR, None)).name, "partly contradicted (0 for, 1 against, of 2 cases)")
        self.assertEqual(self.made(untested, untested).name, "not decided")

    def test_what_cases_make_of_a_claim(self):
        def verdict(*cases):
            return self.made(*cases).verdict

        fits, against, open_ = (SUPERIOR, True), (EQUIVALENT, False), (INCONCLUSIVE, None)
        untested = (UNDECIDED, None)
        self.assertEqual(verdict(fits, fits, (NOT_COMPARABLE, None)), SUPPORTED)
        self.assertEqual(verdict(fits, untested), PARTLY_SUPPORTED)
        self.assertEqual(verdict(fits, open_), PARTLY_SUPPORTED)
        self.assertEqual(verdict(fits, against, open_), MIXED)
        self.assertEqual(verdict(against), CONTRADICTED)
        self.assertEqual(verdict(against, open_, untested), PARTLY_CONTRADICTED)
        self.assertEqual(verdict(open_, untested), UNDECIDED)
        self.assertEqual(verdict((NOT_COMPARABLE, None)), UNDECIDED)
        self.assertEqual(verdict(), UNDECIDED)


class UnlikeThePaper(Checked):
    BEYOND = {"sparsity.initial": 0.0, "sparsity.final_rounds": 400.0}

    def test_what_the_paper_has_not_is_no_case_and_is_named(self):
        self.write_seeds("fedavg", 0.8)
        self.write_seeds("feddip", 0.7, config=self.BEYOND)
        found = self.families()
        self.assertEqual([c.cases for c in claims.check(found)], [[]] * 5)
        self.assertEqual(found[0].unlike_paper(), {"FedDIP": "final rounds 400, $s_0$ = 0"})
        said = "FedDIP stands for final rounds 400, s_0 = 0, which is not the paper's configuration"
        self.assertIn(said, report._description(found[0]))
        made = decision.decide(found, decision.Question(target=0.5))
        self.assertEqual(decision.facts(made)["Not the paper's"], "FedDIP: final rounds 400, s_0 = 0")

    def test_of_the_others_horizon_the_paper_says_nothing(self):
        self.write_seeds("feddip", 0.8, config={"sparsity.horizon": 5})
        self.write_seeds("snip", 0.7, config={"sparsity.horizon": 20})
        self.assertEqual(len(self.claim("others").cases), 1)

    def test_the_papers_horizon_is_that_of_the_model(self):
        for horizon, cases in ((5, 1), (20, 0)):
            self.write_seeds("fedavg", 0.8, partition="iid")
            self.write_seeds("feddip", 0.8, config={"sparsity.horizon": horizon})
            with self.subTest(horizon):
                self.assertEqual(len(self.claim("near-fedavg").cases), cases)
            for path in self.folder.iterdir():
                path.unlink()


class BesideTheClaims(Checked):
    KINDS = ({"attack.kind": "alie"}, {"drift.kind": "rotation"}, {"privacy.clip": 1.0}, {"privacy.secure_sum": True})

    def test_runs_under_attack_or_drift_or_protection_are_no_cases_and_correct_no_p(self):
        self.write_seeds("fedavg", 0.80)
        self.write_seeds("feddip", 0.78, gap=0.0005)
        alone = self.claim("near-fedavg")
        self.assertEqual(len(alone.cases), 1)
        for config in self.KINDS:
            self.write_seeds("fedavg", 0.80, config=config)
            self.write_seeds("feddip", 0.60, config=config)
        found = self.families()
        self.assertEqual(len(found), 5)
        self.assertEqual(self.claim("near-fedavg"), alone)
        with plots.style():
            drawn = claim_figures.pictures(claims.check(found), found)["traffic"].figure
        self.assertEqual(len(drawn.axes), 2)

    def test_they_are_planned_for_themselves(self):
        planned = [plan.Planned(f"{i}.h5", plan._DEFAULTS | kind) for i, kind in enumerate(({}, *self.KINDS))]
        cells = plan.Plan(planned).cells([])
        self.assertEqual(len(cells), 5)
        self.assertIn("LeNet-5 on Fashion-MNIST, 1000 rounds, kind alie", {cell.family for cell in cells})
        self.assertEqual(plan.Plan(planned).of_the_paper().runs, planned[:1])
        self.write_seeds("fedavg", 0.8, config=self.KINDS[0])
        (family,) = self.families()
        attacked = plan.Planned("a.h5", plan._DEFAULTS | {"federation.rounds": ROUNDS} | self.KINDS[0])
        self.assertEqual([cell.family for cell in plan.Plan([attacked]).cells([family])], [family.title])


class Plans(Checked):
    CONFIG = '[data]\ndataset = "fashion-mnist"\n\n[sparsity]\ntarget = 0.8\n'

    def planned(self, *runs):
        """A plan of runs given as (file, overrides)."""
        (self.folder / "a.toml").write_text(self.CONFIG)
        lines = []
        for file, *overrides in runs:
            words = [f"--set {word}" for word in (f"federation.rounds={ROUNDS}", *overrides)]
            lines.append(" ".join([f"{self.folder}/a.toml --out elsewhere/{file}", *words]))
        path = self.folder / plan.NAME
        path.write_text("\n".join(lines) + "\n")
        return plan.read(plan.beside([self.folder]))

    def test_a_run_is_its_config_with_the_overrides(self):
        without = ("b.h5", "regularization.maximum=0", "federation.seed=3")
        made = self.planned(("a.h5", "method.name=fedavg"), without)
        found = [(run.method, run.sparsity, run.seed) for run in made.runs]
        self.assertEqual(found, [("FedAvg", None, 1), ("FedDP", 0.8, 3)])

    def test_configs_are_found_above_the_list(self):
        (self.folder / "jobs").mkdir()
        (self.folder / "jobs/a.toml").write_text(self.CONFIG)
        deep = self.folder / "some" / "results"
        deep.mkdir(parents=True)
        (deep / plan.NAME).write_text("jobs/a.toml --out a.h5\n")
        self.assertEqual(plan.read(plan.beside([deep])).runs[0].sparsity, 0.8)

    def test_what_was_planned_and_not_run_is_a_case_without_seeds(self):
        seeds = [f"federation.seed={seed}" for seed in (1, 2, 3)]
        self.write_seeds("fedavg", 0.8)
        self.write_seeds("feddip", 0.8)
        made = self.planned(
            *((f"avg{s[-1]}.h5", "method.name=fedavg", s) for s in seeds),
            *((f"{x}-{s[-1]}.h5", f"sparsity.target={x}", s) for x in (0.9, 0.95) for s in seeds),
        )
        claim = self.claim("near-fedavg", planned=made)
        self.assertEqual([c.name for c in claim.cases], [EQUIVALENT, "not decided: 0 seeds"])
        self.assertEqual(claim.cases[1].evidence, "no run of FedDIP")
        said = "2 cases planned, 1 of them run, 1 decided (1 equivalent); 1 with fewer than 3 seeds in common."
        self.assertEqual(claim.summary, said)

    def test_a_planned_rival_is_one_that_is_meant_to_keep_as_much(self):
        made = self.planned(
            ("a.h5", "sparsity.target=0.9"),
            ("b.h5", "sparsity.target=0.95"),
            ("c.h5", "method.name=prunetrain", "sparsity.target=0.9147"),
            ("d.h5", "method.name=prunetrain", "sparsity.target=0.98"),
        )
        claim = self.claim("others", planned=made)
        self.assertEqual([case.where for case in claim.cases], ["i.i.d., s = 0.9, against PruneTrain"])

    def test_cases_beside_the_plan_are_said_to_be(self):
        self.write_seeds("fedavg", 0.8)
        for sparsity in (0.9, 0.95):
            self.write_seeds("feddip", 0.8, sparsity=sparsity)
        made = self.planned(("avg.h5", "method.name=fedavg"), ("a.h5", "sparsity.target=0.9"))
        summary = self.claim("near-fedavg", planned=made).summary
        self.assertIn("1 case planned, 1 of them run and 1 beside the plan, 2 decided", summary)

    def test_cases_that_the_plan_has_too_few_seeds_for_are_counted(self):
        seeds = [f"federation.seed={seed}" for seed in (1, 2, 3)]
        made = self.planned(
            *((f"avg{s[-1]}.h5", "method.name=fedavg", s) for s in seeds),
            *((f"a{s[-1]}.h5", "sparsity.target=0.9", s) for s in seeds),
            ("b.h5", "sparsity.target=0.95", seeds[0]),
        )
        summary = self.claim("near-fedavg", planned=made).summary
        self.assertIn("2 cases planned (1 with too few seeds to decide), 0 of them run", summary)

    def test_missing_are_the_runs_whose_results_are_not_there(self):
        path = self.write("fedavg", 1, 0.8)
        made = self.planned((path.name, "method.name=fedavg"), ("other.h5", "method.name=fedavg"))
        runs = [run for f in self.families() for e in f.entries for run in e.group.runs]
        self.assertEqual([r.file for r in made.missing(runs)], ["other.h5"])

    def test_a_file_of_the_same_name_is_another_run_where_it_says_so(self):
        self.write("feddip", 1, 0.8, sparsity=0.8).rename(self.folder / "a.h5")
        runs = collect([self.folder])[0]
        for other in (f"federation.rounds={25 * ROUNDS}", "method.name=snip", "sparsity.target=0.9", "federation.seed=2",
                      "data.partition=dirichlet", "federation.clients=20"):
            with self.subTest(other):
                made = self.planned(("a.h5", other))
                self.assertEqual(made.missing(runs), made.runs)
        self.assertEqual(self.planned(("a.h5",)).missing(runs), [])

    def test_files_of_the_same_name_are_told_apart_by_their_folders(self):
        made = self.planned(("alike/a.h5",), ("10-fold/a.h5",), ("alike/b.h5", "federation.seed=2"))
        (self.folder / "10-fold").mkdir()
        self.write("feddip", 1, 0.8, sparsity=0.8).rename(self.folder / "10-fold" / "a.h5")
        self.write("feddip", 2, 0.8, sparsity=0.8).rename(self.folder / "b.h5")  # moved, and there is no other of that name
        runs = [run for f in self.families() for e in f.entries for run in e.group.runs]
        self.assertEqual([(r.folder, r.file) for r in made.missing(runs)], [("alike", "a.h5")])

    def test_the_page_says_first_what_was_planned_and_what_was_run(self):
        path = self.write("fedavg", 1, 0.8)
        self.planned((path.name, "method.name=fedavg"), ("b.h5", "federation.seed=7"))
        done = self.script("report.py", self.folder, "--out", self.folder / "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        page = (self.folder / "out/report.html").read_text().replace("\u00a0", " ")
        said = page.index("1 of the 2 runs that were planned are here")
        self.assertLess(said, page.index('id="claims"'))
        self.assertIn("FedDIP, s = 0.8: seed 7", page)

    def test_what_is_no_plan_is_named(self):
        for text in ("a.toml\n", "none.toml --out a.h5\n", "\udcff"):
            (self.folder / plan.NAME).write_bytes(text.encode(errors="surrogateescape"))
            with self.subTest(text), self.assertRaises(plan.NotAPlan):
                plan.read(plan.beside([self.folder]))
        self.write("fedavg", 1, 0.8)
        done = self.script("report.py", self.folder, "--out", self.folder / "out")
        self.assertEqual(done.returncode, 2)
        self.assertIn("report.py: error: not a list of runs", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
