"""What follows from a call: pure, from who sent it, what it says and what its hook is set to."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from panic.kit.words import clip
from panic.service.hooks.bodies import Meaning, Understood
from panic.service.hooks.signatures import Kind, Verified

REASON_MOST = 700


class Act(StrEnum):
    """What is done about a call: its scope is pressed, it is recorded, a person is paged, or it is refused."""

    PRESS = "press"
    RECORD = "record"
    PAGE = "page"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier call of the same id: its body's SHA-256, its time, and the run that it pressed or joined."""

    digest: str
    timestamp: int
    run: str = ""
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done about a call, and what is said about it.

    Attributes:
        title: What happened, for the caller and the record; the same for every call that happened to.
        remedy: What the caller can do about a refusal, a sentence.
        page: What a person is told at once; empty if nobody need be.
        joins: The run of an earlier call that this one is a copy of.
    """

    act: Act
    status: int
    code: str
    title: str
    detail: str
    remedy: str = ""
    page: str = ""
    reason: str = ""
    joins: str = ""
    is_copy: bool = False


NOT_LET_IN = Decision(
    Act.REFUSE,
    401,
    "not_let_in",
    "The call was not let in",
    "There is no hook of this name, or the call does not prove that it comes from its sender.",
    "Check the hook's name and the secret on both sides: docs/hooks.md shows a call made by hand.",
)
"""For an unknown hook and for a call that proves nothing: the same, so that nobody learns which."""


def not_pressed(hook: str, why: str, by_hand: str) -> Decision:
    """Answer a breach that could not be acted on, so that its caller tries again, and page."""
    return Decision(
        Act.REFUSE,
        503,
        "not_pressed",
        "NOTHING was pressed",
        f"The call is authentic, but no run could be started: {why}",
        f"Send it again. If it matters now, {by_hand}",
        f"a breach came in through hook {hook} and NOTHING was pressed: {why}",
    )


def decide(
    hook: str,
    verified: Verified,
    said: Understood,
    *,
    on_odd: Literal["press", "page"] = "press",
    earlier: Earlier | None = None,
    digest: str = "",
    is_live: bool = False,
) -> Decision:
    """Say what is done about a call; `earlier` is one of the same id, and its run may be live still.

    A run that is neither under way nor known to have finished broke off: then the call may be all that is left of
    a breach, and counts as a new one.
    """
    if verified.kind is Kind.FORGED:
        return NOT_LET_IN
    if verified.kind is not Kind.AUTHENTIC:
        return _refused(hook, verified)
    if earlier is not None and (is_live or earlier.is_over or not earlier.run or digest != earlier.digest):
        return _again(hook, verified, earlier, digest, is_live=is_live)
    if said.meaning in {Meaning.RESOLVED, Meaning.TEST}:
        what = "over" if said.meaning is Meaning.RESOLVED else "a test"
        return Decision(
            Act.RECORD, 200, "recorded", "Recorded", f"It says that this is {what}, so nothing is pressed."
        )
    if said.meaning is Meaning.FIRING:
        reason = clip(f"hook {hook}: {said.text}", REASON_MOST)
        detail = "The hook's scope is being cancelled."
        return Decision(Act.PRESS, 202, "pressed", "Pressed", detail, reason=reason)
    return _odd(hook, said.text, on_odd)


def _odd(hook: str, text: str, on_odd: Literal["press", "page"]) -> Decision:
    page = f"an authentic call to hook {hook} is not understood ({text})"
    if on_odd == "page":
        page += "; the hook is set to page only, so NOTHING was pressed"
        return Decision(Act.PAGE, 202, "odd", "Paged", "It is not understood: a person was paged.", page=page)
    detail = "It is not understood, so the hook's scope is being cancelled, and a person was paged."
    page += "; its scope was pressed, to be on the safe side"
    reason = clip(f"hook {hook}: an authentic call that is not understood: {text}", REASON_MOST)
    return Decision(Act.PRESS, 202, "odd_pressed", "Pressed", detail, page=page, reason=reason)


def _refused(hook: str, verified: Verified) -> Decision:
    """Refuse a call although it is well signed; it may have been a breach, so a person hears of it."""
    page = f"a well-signed call to hook {hook} was refused: {verified.wrong}; NOTHING was pressed"
    code, title = "malformed", "The call is not of the right form"
    remedy = "Correct what signs it; docs/hooks.md shows how."
    if verified.kind is Kind.LATE:
        code, title, remedy = "late", "The call is not of now", "Set the clocks (NTP) and sign each delivery anew."
    return Decision(Act.REFUSE, 400, code, title, f"It is well signed, but {verified.wrong}.", remedy, page)


def _again(hook: str, verified: Verified, earlier: Earlier, digest: str, *, is_live: bool) -> Decision:
    """Answer a call whose id was taken before: a delivery repeated, or somebody's replay. Neither presses."""
    if digest != earlier.digest:
        page = f"a well-signed call to hook {hook} bears the id of an earlier one and says something else"
        return Decision(
            Act.REFUSE,
            409,
            "id_used",
            "The id was used before",
            "An earlier call had the same webhook-id and another body.",
            "Give each message an id of its own; only deliveries of the same message share one.",
            f"{page}; NOTHING was pressed",
        )
    detail = "It repeats an earlier call, and counts as that one."
    if not earlier.run:
        return Decision(Act.RECORD, 200, "recorded", "Recorded", detail, is_copy=True)
    if is_live or verified.timestamp != earlier.timestamp:
        return Decision(Act.RECORD, 202, "joined", "Joined", detail, joins=earlier.run, is_copy=True)
    outcome = f"the earlier one was pressed as run {earlier.run}"
    return Decision(
        Act.REFUSE,
        409,
        "replayed",
        "The call was made before",
        f"Id, time and body are those of an earlier call, and what that set off is over: {outcome}.",
        "Nothing is lost; a new message needs an id of its own, a new delivery of this one a new timestamp.",
        f"a well-signed call to hook {hook} was replayed and refused; {outcome}",
        joins=earlier.run,
        is_copy=True,
    )
