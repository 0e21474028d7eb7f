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

    PRESS = "pressed"
    RECORD = "recorded"
    PAGE = "paged"
    REFUSE = "refused"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done about a call, and what is said about it; a person is told at once what `page` says."""

    act: Act
    status: int
    code: str
    title: str
    detail: str
    page: str = ""
    reason: str = ""


def decide(
    hook: str, verified: Verified, said: Understood, *, on_odd: Literal["press", "page"], repeats: str | None
) -> Decision:
    """Say what is done about a call from somebody who knows the hook's secret.

    It `repeats` the run of an earlier call if it is a copy of that: empty where that pressed nothing, else None.
    """
    if verified.kind is not Kind.AUTHENTIC:  # it may have been a breach, so a person hears of it
        page = f"a well-signed call to hook {hook} was refused: {verified.wrong}; NOTHING was pressed"
        title = "The call is not of now" if verified.kind is Kind.LATE else "The call is not of the right form"
        return Decision(Act.REFUSE, 400, verified.kind, title, f"It is well signed, but {verified.wrong}.", page)
    if repeats is not None:
        detail = "It repeats an earlier call, and counts as that one."
        status, code, title = (202, "joined", "Joined") if repeats else (200, "recorded", "Recorded")
        return Decision(Act.RECORD, status, code, title, detail)
    if said.meaning in {Meaning.RESOLVED, Meaning.TEST}:
        what = "over" if said.meaning is Meaning.RESOLVED else "a test"
        detail = f"It says that this is {what}, so nothing is pressed."
        return Decision(Act.RECORD, 200, "recorded", "Recorded", detail)
    if said.meaning is Meaning.FIRING:
        reason = clip(f"hook {hook}: {said.text}", REASON_MOST)
        return Decision(
            Act.PRESS, 202, "pressed", "Pressed", "The hook's scope is being cancelled.", reason=reason
        )
    page = f"an authentic call to hook {hook} is not understood ({said.text})"
    if on_odd == "page":
        page += "; the hook is set to page only, so NOTHING was pressed"
        return Decision(Act.PAGE, 202, "odd", "Paged", "It is not understood: a person was paged.", page)
    detail = "It is not understood, so the hook's scope is being cancelled, and a person was paged."
    page += "; its scope was pressed, to be on the safe side"
    reason = clip(f"hook {hook}: an authentic call that is not understood: {said.text}", REASON_MOST)
    return Decision(Act.PRESS, 202, "odd_pressed", "Pressed", detail, page, reason)
