"""Features 6 to 8: registration, log-in, codes that expire, attempts that are capped, binding at the first log-in."""

from __future__ import annotations

import pytest

from court_stage import PASSWORD, Stage, Trial, make_identity


async def test_who_registers_by_phone_and_code_logs_in_by_password_from_then_on(stage: Stage) -> None:
    await stage.person("张三", "13900000001")
    again = stage.user()
    me = await again.post("/login", {"phone": "13900000001", "password": PASSWORD})
    again.take(me)
    assert (await again.get("/me"))["account"]["name"] == "张三"
    await again.post("/logout", expect=204)
    assert await again.refused("/me", method="GET") == "login.needed"


def registration(code: str, phone: str = "13900000001", identity: str = "") -> dict[str, str]:
    return {
        "phone": phone,
        "code": code,
        "password": PASSWORD,
        "name": "张三",
        "identity_number": identity or make_identity(9),
    }


async def test_a_one_time_code_expires_and_its_attempts_are_capped(stage: Stage) -> None:
    user = stage.user()
    await user.post("/register/code", {"phone": "13900000001"}, 202)
    code = await stage.read_code("13900000001")
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(5):
        assert await user.refused("/register", registration(wrong)) == "code.wrong"
    assert await user.refused("/register", registration(code)) == "code.wrong", "the attempts are used up"
    await user.post("/register/code", {"phone": "13900000001"}, 202)
    fresh = await stage.read_code("13900000001")
    stage.clock.advance(301)
    assert await user.refused("/register", registration(fresh)) == "code.wrong", "it has expired"


async def test_so_many_codes_an_hour_go_to_a_phone(stage: Stage) -> None:
    user = stage.user()
    for _ in range(5):
        await user.post("/register/code", {"phone": "13900000001"}, 202)
    assert await user.refused("/register/code", {"phone": "13900000001"}) == "attempts.too_many"
    stage.clock.advance(3601)
    await user.post("/register/code", {"phone": "13900000001"}, 202)


async def test_log_in_is_locked_after_wrong_passwords_also_for_the_right_one(stage: Stage) -> None:
    await stage.person("张三", "13900000001")
    user = stage.user()
    for _ in range(5):
        assert await user.refused("/login", {"phone": "13900000001", "password": "wrong"}) == "login.wrong"
    assert await user.refused("/login", {"phone": "13900000001", "password": PASSWORD}) == "attempts.too_many"
    stage.clock.advance(901)
    await user.post("/login", {"phone": "13900000001", "password": PASSWORD})


async def test_who_is_not_who_he_says_gets_no_account(stage: Stage) -> None:
    user = stage.user()
    await user.post("/register/code", {"phone": "13900000001"}, 202)
    code = await stage.read_code("13900000001")
    number = make_identity(9)
    bad = number[:-1] + ("0" if number[-1] != "0" else "1")
    assert await user.refused("/register", registration(code, identity=bad)) == "identity.failed"


async def test_a_change_without_the_header_is_refused(stage: Stage) -> None:
    user = await stage.person("张三")
    del user.http.headers["X-CSRF"]
    assert await user.refused("/logout") == "login.csrf"
    assert await user.get("/me")


async def test_the_first_log_in_binds_the_account_to_the_party_the_court_registered(trial: Trial) -> None:
    assert [each["id"] for each in (await trial.plaintiff.get("/cases"))["items"]] == [trial.case["id"]]
    assert (await trial.plaintiff.get(trial.path))["role"] == "plaintiff"


@pytest.mark.parametrize("same", ["phone", "identity"])
async def test_phone_or_identity_number_alone_bind_nobody(trial: Trial, same: str) -> None:
    phone, identity = trial.stage.draw_phone()
    party = {"side": "plaintiff", "name": "赵六", "phone": phone, "identity_number": identity}
    other = {"side": "defendant", "name": "周七", "phone": "13700000000", "identity_number": make_identity(77)}
    body = {"number": "(2026)京1号", "title": "t", "cause": "c", "judge_id": trial.judge.id, "parties": [party, other]}
    await trial.clerk.post("/cases", body, 201)
    given = {"phone": phone} if same == "phone" else {"identity": identity}
    assert (await (await trial.stage.person("赵六", **given)).get("/cases"))["total"] == 0
