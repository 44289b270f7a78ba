"""How long rounds would take over the links of a real federation, by the model of feddip's [links]."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from .results import config, first_look_bytes

FIRST = 0  # id of the client that methods may look at first
Values = tuple[float, ...]
_RATES = ("uplink_mbit", "downlink_mbit")
_TIMES = ("latency_ms", "train_ms_per_image")
OF_CLASSES = (*_RATES, *_TIMES)


@dataclass(frozen=True)
class Links:
    """One value per class of clients, or one for all of them. Rates of 0 take no time."""

    shares: Values = (1.0,)  # of clients in each class
    uplink_mbit: Values = (0.0,)  # 10^6 bits per second
    downlink_mbit: Values = (0.0,)
    latency_ms: Values = (0.0,)  # one way
    train_ms_per_image: Values = (0.0,)  # forward and backward

    def __post_init__(self) -> None:
        for name in OF_CLASSES:
            values = getattr(self, name)
            if len(values) not in (1, len(self.shares)):
                raise ValueError(f"{name} needs one value, or one for each of the {len(self.shares)} shares")
            if not all(0 <= value < float("inf") for value in values):
                raise ValueError(f"{name} needs numbers from 0 on")
        if not (min(self.shares) >= 0 and abs(sum(self.shares) - 1) <= 1e-6):
            raise ValueError("the shares of the clients must add up to 1")

    def of_class(self, name: str) -> np.ndarray:
        return np.broadcast_to(np.array(getattr(self, name), dtype=float), len(self.shares))

    def per_class(self) -> Links:
        """The same with one value for each class everywhere."""
        return replace(self, **{name: tuple(map(float, self.of_class(name))) for name in OF_CLASSES})

    def slower(self, factor: float, classes: Collection[int]) -> Links:
        """With clients of these classes that take so many times as long for everything."""
        factors = [factor if c in classes else 1.0 for c in range(len(self.shares))]
        rates = {name: self.of_class(name) / factors for name in _RATES}
        times = {name: self.of_class(name) * factors for name in _TIMES}
        return replace(self, **{name: tuple(map(float, values)) for name, values in (rates | times).items()})

    def at_once(self) -> Links:
        """The same clients with links of unlimited speed."""
        return replace(self, uplink_mbit=(0.0,), downlink_mbit=(0.0,))


# Where neither the command line nor the runs say anything: a household's line and a small computer.
ASSUMED = Links((1.0,), (10.0,), (50.0,), (30.0,), (1.0,))


def of_run(run: xr.Dataset) -> Links | None:
    """Those of its configuration; None where they model nothing."""
    keys = config(run)
    given = {
        name: tuple(np.atleast_1d(keys[f"links.{name}"]).astype(float))
        for name in Links.__dataclass_fields__
        if f"links.{name}" in keys
    }
    links = Links(**given)
    modelled = any(any(links.of_class(name)) for name in OF_CLASSES)
    return links if modelled else None


def _slots(run: xr.Dataset) -> int:
    return max(int((run.client_id >= 0).sum("slot").max()), 1)


def knows_clients(run: xr.Dataset) -> bool:
    """Not where they are protected: such files say nothing of single clients."""
    return bool((run.client_id >= 0).any())


def carries_over(run: xr.Dataset) -> bool:
    """Whether its times over other links can be told: not where clients had budgets, which fit what each carries, or who is
    waited for, to the links that they had."""
    return knows_clients(run) and not has_budgets(run)


def has_budgets(run: xr.Dataset) -> bool:
    return config(run).get("budget.mode", "none") != "none"


def client_seconds(run: xr.Dataset, links: Links) -> np.ndarray:
    """[round, slot, class] How long each sampled client would take if it were of that class. Older files don't say what each
    downloads: there it is taken as equal for all clients of a round. NaN where nothing is known of clients."""
    if not knows_clients(run):
        return np.full((*run.client_id.shape, len(links.shares)), np.nan)
    sampled = run.client_id.values >= 0
    images = run.client_samples.values * float(config(run).get("federation.local_epochs", 5))
    exchanged = (_downloads(run, sampled), images, run.client_bytes_up.values.astype(float))
    seconds = _seconds(links, *(of_each[:, :, None] for of_each in exchanged), _answered(run)[:, :, None])
    return np.where(sampled[:, :, None], seconds, 0.0)


def _answered(run: xr.Dataset) -> np.ndarray:
    """[round, slot]"""
    sampled = run.client_id.values >= 0
    return sampled & (run.client_dropped_out.values == 0) if "client_dropped_out" in run else sampled


def _downloads(run: xr.Dataset, sampled: np.ndarray) -> np.ndarray:
    """[round, slot]"""
    if "client_bytes_down" in run:
        return run.client_bytes_down.values.astype(float)
    of_rounds = run.bytes_down.values.astype(float)
    of_rounds[0] -= first_look_bytes(run)[0]
    clients = np.maximum(sampled.sum(axis=1), 1)
    return np.broadcast_to((of_rounds / clients)[:, None], sampled.shape)


def round_seconds(run: xr.Dataset, links: Links, clients_per_round: int | None = None) -> np.ndarray:
    """[round] How long each round lasts until its slowest sampled client is done, on average over which
    class each client is in; with another number of clients per round than the run had, theirs are taken as like
    the recorded ones. NaN where that can't be told."""
    if not carries_over(run):
        return np.full(run.sizes["round"], np.nan)
    slots = _slots(run)
    seconds = client_seconds(run, links)
    shares = np.array(links.shares)
    if len(links.shares) == 1:
        of_rounds = seconds[:, :, 0].max(axis=1)
    else:
        of_rounds = np.array([_mean_of_largest(s, shares, (clients_per_round or slots) / slots) for s in seconds])
    of_rounds[0] += float(shares @ _look_seconds(run, links))
    return of_rounds


def _look_seconds(run: xr.Dataset, links: Links) -> np.ndarray:
    """[class] How long the messages of the first client's look at its data take, before the first round; for how long it
    trains no file tells."""
    down, up = first_look_bytes(run)
    return _seconds(links, down, 0.0, up) if up > 0 else np.zeros(len(links.shares))


def _seconds(links: Links, down, images, up, answered=True) -> np.ndarray:
    """[..., class] Of so many bytes, and images trained on, and of the way there alone where no answer came: numbers, or
    arrays [..., 1]."""
    latency = links.of_class("latency_ms") / 1000
    there = latency + down * _seconds_per_byte(links.of_class("downlink_mbit"))
    training = images * links.of_class("train_ms_per_image") / 1000
    back = training + latency + up * _seconds_per_byte(links.of_class("uplink_mbit"))
    return np.where(answered, there + back, there)


def _seconds_per_byte(mbit: np.ndarray) -> np.ndarray:
    return np.divide(8.0, 1e6 * mbit, out=np.zeros_like(mbit), where=mbit > 0)


def _mean_of_largest(seconds: np.ndarray, shares: np.ndarray, copies: float) -> float:
    """Of one draw per slot, each [slot, class] with its class's share: the sum over the times that the
    largest can be, times the probability that it is. Every slot counts `copies` times."""
    times = np.unique(seconds)
    reached = (seconds[None, :, :] <= times[:, None, None]) @ shares  # [time, slot]
    below = np.prod(np.minimum(reached, 1.0), axis=1) ** copies
    return float(np.sum(times * np.diff(below, prepend=0.0)))


def with_links(run: xr.Dataset, links: Links, clients_per_round: int | None = None) -> xr.Dataset:
    """The run as if it had been simulated over these links, but for the training of a first look (SNIP, PruneFL, FLASH). Over
    its own, with as many clients per round, it is as it was recorded."""
    recorded = config(run).get("federation.clients_per_round", _slots(run))
    if clients_per_round in (None, recorded) and links == of_run(run) and _is_simulated(run):
        return run
    return run.assign(simulated_seconds=("round", round_seconds(run, links, clients_per_round)))


def classes_of_clients(run: xr.Dataset) -> np.ndarray:
    """[client] The class of each, by what it took over the links that the run had; -1 where it never answered. ValueError where
    a client took what none of its class would."""
    there, ids = _answered(run), run.client_id.values
    off = np.abs(client_seconds(run, of_run(run)) - run.client_simulated_seconds.values[:, :, None])
    nearest = off.argmin(axis=2)
    classes = np.full(ids.max() + 1, -1)
    classes[ids[there]] = nearest[there]
    if not (off.min(axis=2)[there] <= 1e-6).all() or (classes[ids] != nearest)[there].any():
        raise ValueError(f"{run.attrs['path']}: times of clients that its links don't explain")
    return classes


def over(run: xr.Dataset, others: Links, given_up_s: float) -> xr.Dataset:
    """What a run would have taken over other links on which each client does the same, told from its bytes; who was not waited
    for is given up after `given_up_s`. ValueError where the file doesn't tell."""
    classes = classes_of_clients(run)
    ids, there = run.client_id.values, _answered(run)
    seconds = np.take_along_axis(client_seconds(run, others), np.maximum(classes[ids], 0)[:, :, None], axis=2)[:, :, 0]
    seconds = np.where(there, seconds, np.where(ids >= 0, given_up_s, np.nan))
    of_rounds = np.nanmax(seconds, axis=1)
    before = float(run.simulated_seconds[0]) - np.nanmax(run.client_simulated_seconds.values[0])
    if before > 1e-9:
        who = classes[FIRST]
        if who < 0:
            raise ValueError(f"{run.attrs['path']}: nothing tells how fast the client is that is looked at first")
        own = of_run(run)
        slower = others.of_class("train_ms_per_image")[who] / own.of_class("train_ms_per_image")[who]
        of_rounds[0] += (before - _look_seconds(run, own)[who]) * slower + _look_seconds(run, others)[who]
    return run.assign(client_simulated_seconds=(("round", "slot"), seconds), simulated_seconds=("round", of_rounds))


def _is_simulated(run: xr.Dataset) -> bool:
    return "simulated_seconds" in run and bool(run.simulated_seconds.notnull().all())
