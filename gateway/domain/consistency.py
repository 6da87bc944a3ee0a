"""Every name a laboratory's files use is one its anatomy has, and no row of them hides another.

A misspelled nerve, muscle, site or segment would be silent otherwise: the rule, the limit or the step of
the plan that carries it would never apply. Each check raises DataError at the first one, with what was
probably meant.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.anatomy import Anatomy
from gateway.domain.checklist import ExaminationPlan
from gateway.domain.criteria import Between, CriteriaSet
from gateway.domain.differential import DemyelinationCriteria
from gateway.domain.norms import NormTable, SensoryNorm
from gateway.domain.plausibility import check_name, check_names, check_once, check_segment
from gateway.errors import DataError


def check_anatomy(anatomy: Anatomy) -> None:
    """The lists of an anatomy name nerves, muscles and sites it has."""
    for name, nerve in anatomy.nerves.items():
        check_names(nerve.sensory_nerves, anatomy.nerves, "nerve", f"nerves.{name}.sensory_nerves")
        check_names(nerve.muscles, anatomy.muscles, "muscle", f"nerves.{name}.muscles")
    recorded = (*anatomy.sensory_recording_sites, *anatomy.muscles)
    for index, branch in enumerate(anatomy.branches):
        check_name(branch.nerve, anatomy.nerves, "nerve", f"branches[{index}].nerve")
        if branch.recording_site is not None:
            check_name(branch.recording_site, recorded, "site", f"branches[{index}].recording_site")
    for spelling, site in anatomy.site_aliases.items():
        check_name(site, anatomy.sites, "site", f"site_aliases.{spelling}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of one anatomy, against which everything else is read."""

    anatomy: Anatomy

    def check_criteria(self, criteria: CriteriaSet) -> None:
        """A criteria set names motor nerves, and segments and sites of the nerves it lists."""
        named = () if criteria.nerves == "all" else criteria.nerves
        self._motor_nerves(named, "nerves")
        self._motor_nerves(criteria.except_nerves, "except_nerves")
        sites = {name: nerve.sites for name, nerve in self.anatomy.nerves.items() if nerve.sites}
        listed = {name: sites[name] for name in named or sites}
        _check_segments(criteria.segments, listed, "segments")
        for index, rule in enumerate(criteria.rules):
            place = f"rules[{index}]"
            self._motor_nerves(rule.except_nerves, f"{place}.except_nerves")
            check_names(rule.proximal_sites, _all_sites(listed), "site", f"{place}.proximal_sites")
            _check_segments(rule.segments, listed, f"{place}.segments")
            _check_segments(rule.except_segments, listed, f"{place}.except_segments")

    def check_norms(self, table: NormTable) -> None:
        """A norm table names nerves with their own muscles and segments, and sites of sensory studies."""
        for index, row in enumerate(table.motor):
            place = f"motor[{index}]"
            self._supplied(row.nerve, row.muscle, place)
            sites, whose = self.anatomy.nerves[row.nerve].sites, f"the {row.nerve} nerve"
            for number, limit in enumerate(row.velocities):
                ends = limit.distal, limit.proximal
                check_segment(ends, sites, whose, f"{place}.velocities[{number}]")
        strata = [[(row.nerve, row.muscle, row.stratum)] for row in table.motor]
        check_once(strata, "nerve, muscle and stratum", "motor")
        self._sensory_norms(table.sensory)

    def _sensory_norms(self, rows: Sequence[SensoryNorm]) -> None:
        stimulated, recorded = self.anatomy.sensory_stimulation_sites, self.anatomy.sensory_recording_sites
        for index, row in enumerate(rows):
            place = f"sensory[{index}]"
            self._nerve(row.nerve, f"{place}.nerve")
            check_names(row.stimulation_sites, stimulated, "site", f"{place}.stimulation_sites")
            check_name(row.recording_site, recorded, "site", f"{place}.recording_site")
        pairs = [
            [(row.nerve, site, row.recording_site, row.stratum) for site in row.stimulation_sites]
            for row in rows
        ]
        check_once(pairs, "nerve, sites and stratum", "sensory")

    def check_differential(self, criteria: DemyelinationCriteria, sets: Collection[str]) -> None:
        """A differential list names one of the criteria sets, and nerves with their own muscles."""
        check_name(criteria.block_set, sets, "criteria set", "block_set")
        for index, limit in enumerate(criteria.durations):
            self._supplied(limit.nerve, limit.muscle, f"durations[{index}]")
        filters = [[(limit.nerve, limit.muscle, limit.low_filter_hz)] for limit in criteria.durations]
        check_once(filters, "nerve, muscle and filter", "durations")

    def check_plan(self, plan: ExaminationPlan) -> None:
        """An examination plan names recordings that can be made; a muscle may be another nerve's."""
        for index, item in enumerate(plan.motor):
            place = f"motor[{index}]"
            self._motor_nerve(item.nerve, f"{place}.nerve")
            check_name(item.muscle, self.anatomy.muscles, "muscle", f"{place}.muscle")
            sites = self.anatomy.nerves[item.nerve].sites
            check_names(item.sites, sites, f"site of the {item.nerve} nerve", f"{place}.sites")
        for index, entry in enumerate(plan.sensory):
            self._nerve(entry.nerve, f"sensory[{index}].nerve")

    def _nerve(self, name: str, place: str) -> None:
        for known, nerve in self.anatomy.nerves.items():
            if name in nerve.aliases:
                raise DataError(f"is another name of the {known} nerve, write {known!r}", place)
        check_name(name, self.anatomy.nerves, "nerve", place)

    def _motor_nerve(self, name: str, place: str) -> None:
        self._nerve(name, place)
        if not self.anatomy.nerves[name].sites:
            raise DataError(f"the {name} nerve has no motor stimulation sites", place)

    def _motor_nerves(self, names: Sequence[str], place: str) -> None:
        for index, name in enumerate(names):
            self._motor_nerve(name, f"{place}[{index}]")

    def _supplied(self, nerve: str, muscle: str, place: str) -> None:
        self._motor_nerve(nerve, f"{place}.nerve")
        check_name(muscle, self.anatomy.muscles, "muscle", f"{place}.muscle")
        if not self.anatomy.supplies(nerve, muscle):
            own = ", ".join(self.anatomy.nerves[nerve].muscles)
            raise DataError(f"the {nerve} nerve supplies: {own}", f"{place}.muscle")


def _all_sites(nerves: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(site for sites in nerves.values() for site in sites))


def _check_segments(segments: Sequence[Between], nerves: Mapping[str, Sequence[str]], place: str) -> None:
    for index, entry in enumerate(segments):
        _check_between(entry, nerves, f"{place}[{index}]")


def _check_between(entry: Between, nerves: Mapping[str, Sequence[str]], place: str) -> None:
    """A segment of the nerve it names, or else of any nerve the set lists."""
    ends = entry.distal, entry.proximal
    if entry.nerve is not None:
        check_name(entry.nerve, nerves, "nerve of this set", f"{place}.nerve")
        check_segment(ends, nerves[entry.nerve], f"the {entry.nerve} nerve", place)
        return
    for name, end in zip(ends, ("distal", "proximal"), strict=True):
        check_name(name, _all_sites(nerves), "site of this set's nerves", f"{place}.{end}")
    if not any(_runs(ends, sites) for sites in nerves.values()):
        raise DataError("no nerve of this set runs from distal to proximal like this", place)


def _runs(ends: tuple[str, str], sites: Sequence[str]) -> bool:
    return set(ends) <= set(sites) and sites.index(ends[0]) < sites.index(ends[1])
