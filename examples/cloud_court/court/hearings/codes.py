"""Personal codes: issued > claimed > revoked or expired. Each is one invitee's, and dies when the hearing closes."""

from __future__ import annotations

from sqlalchemy import select

from court.accounts.models import Account
from court.accounts.outbox import queue_sms, supersede_sms
from court.court import ALPHABET, Work
from court.errors import Refusal
from court.hearings.entering import sees_proceedings
from court.hearings.models import Hearing, Person
from court.hearings.rules import OVER

CODE_LENGTH = 8
GOOD = frozenset({"issued", "claimed"})


async def issue_code(work: Work, hearing: Hearing, person: Person) -> None:
    """Make a new code, which revokes the one before, and send it with the date, the number and the link."""
    court = work.court
    code = court.draw(ALPHABET, CODE_LENGTH)
    person.code_hash = court.seal(f"hearing:{hearing.id}", code)
    person.code_state = "issued"
    reason = f"invitation:{person.id}:"
    await supersede_sms(work, reason)
    link = f"{court.config.base_url}/#/join/{hearing.number}/{code}"
    when = hearing.start.astimezone().strftime("%Y-%m-%d %H:%M")
    again = "（时间已变更，以本条为准）" if hearing.schedule > 1 else ""
    text = (
        f"【{court.config.name}】{person.name}：{hearing.title}定于 {when} 开庭{again}。"
        f"会议号 {hearing.number}，您的个人入庭码 {code}（仅限本人使用）。"
        f"用手机或电脑浏览器打开 {link} 即可参加，无需安装软件；请提前十五分钟测试设备，并备好身份证。"
    )
    await queue_sms(work, f"{reason}{hearing.schedule}:{court.new_id()}", person.phone, text)


def end_code(person: Person, state: str) -> None:
    """Revoke a code, or let it expire."""
    if person.code_state in GOOD:
        person.code_state = state


async def claim_code(work: Work, number: str, code: str, account: Account | None) -> tuple[Account, Hearing]:
    """Who may enter by a code. `account`: who is logged in; None: nobody, and the code is his log-in.

    A code that an account with a password has claimed is good for that account only, once it is logged in.
    """
    hearing = await work.db.scalar(select(Hearing).where(Hearing.number == number))
    if hearing is None:
        raise Refusal("code.wrong")
    sealed = work.court.seal(f"hearing:{hearing.id}", code)
    person = await work.db.scalar(select(Person).where(Person.hearing_id == hearing.id, Person.code_hash == sealed))
    if person is None:
        raise Refusal("code.wrong")
    if person.code_state not in GOOD or hearing.state in OVER:
        raise Refusal("code.expired", reason="closed" if hearing.state in OVER else person.code_state)
    owner = None if person.account_id is None else await work.db.get_one(Account, person.account_id)
    if account is None:
        if owner is not None and owner.phone is not None and person.code_state == "claimed":
            raise Refusal("code.other_account")
        if owner is None:
            owner = Account(
                id=work.court.new_id(),
                phone=None,
                name=person.name,
                identity_number=person.identity_number,
                password_hash="",
                office="person",
                created=work.now,
            )
            work.db.add(owner)
            await work.db.flush()
    else:
        if owner is not None and owner.id != account.id:
            raise Refusal("code.other_account")
        if owner is None and account.identity_number != person.identity_number:
            raise Refusal("code.other_account")
        owner = account
    id = person.account_id = owner.id

    async def tell_pages() -> None:  # those that are open already follow the hearing from now on
        work.court.hub.admit(id, hearing.id, sees_proceedings(person))

    work.order(tell_pages)
    if person.code_state == "issued" and (account is not None or owner.phone is None):
        person.code_state = "claimed"
    work.audit("code", "claim", owner.id, hearing=hearing.id, person=person.id)
    return owner, hearing
