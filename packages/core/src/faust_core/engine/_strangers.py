"""Two applications with one id: members of one group that have no input topic in common, directly or through others.

Versions of one application have one, nearly always.  Strangers may not share a group: tasks are divided by number, so
each would be given some whose topics it does not read, and nobody would read those.
"""

from __future__ import annotations

from collections.abc import Mapping

from faust_core.engine.plans import MemberInfo

__all__ = ["strangers"]

#: as many names as a line can bear
SHOWN = 5


def strangers(infos: Mapping[str, MemberInfo]) -> dict[str, str]:
    """Return the members that must leave, each with the reason.

    Those stay that have the most tasks now; where nobody has any, those with the first of all member ids.
    """
    applications = _applications(infos)
    if len(applications) < 2:
        return {}
    applications.sort(key=lambda members: (-sum(len(infos[m].active) for m in members), min(members)))
    resident, *others = applications
    there = _names({topic for m in resident for topic in _topics(infos[m])})
    return {
        m: (
            f"another application runs under this id already: it reads {there}, this one reads "
            f"{_names(_topics(infos[m]))}. Give one of them another id; where this is a new version of that one, stop "
            f"all workers of the old version first"
        )
        for members in others
        for m in members
    }


def _applications(infos: Mapping[str, MemberInfo]) -> list[set[str]]:
    """Return the members by what connects them."""
    found: list[tuple[set[str], set[str]]] = []
    for member_id, info in infos.items():
        members, topics = {member_id}, _topics(info)
        if not topics:
            continue
        apart = []
        for other_members, other_topics in found:
            if topics.isdisjoint(other_topics):
                apart.append((other_members, other_topics))
            else:
                members |= other_members
                topics |= other_topics
        found = [*apart, (members, topics)]
    return [members for members, _ in found]


def _topics(info: MemberInfo) -> set[str]:
    return {topic for group in info.groups for topic in group.topics}


def _names(topics: set[str]) -> str:
    shown = sorted(topics)[:SHOWN]
    return ", ".join(shown) + (f" and {len(topics) - SHOWN} more" if len(topics) > SHOWN else "")
