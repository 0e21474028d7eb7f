"""`panic serve` as a real process: pressed by programs, killed, reloaded and ended."""

import json
import signal
from pathlib import Path

from aiohttp import web

from panic import config
from panic.ledger.events import Event
from panic.service.recovery import look
from panic.simulator import Fault
from tests.cli.breakages import after
from tests.cli.inside import typed
from tests.cli.ledgers import LEDGER, SETTINGS, events, kinds
from tests.cli.support import KEY, account, panic, sent, simulate, started, until
from tests.ledger.support import rewrite
from tests.ledger.test_signing import key_in
from tests.service.support import TOKEN, firm, listening, serving

IDS = range(1, 9)
_HUP_AT_START = """
import os, signal
from panic import config
from panic.service import standby
def hup(function):
    def do(*args, **how):
        os.kill(os.getpid(), signal.SIGHUP)
        return function(*args, **how)
    return do
config.load = hup(config.load)
standby.Standby.start = hup(standby.Standby.start)
"""


async def test_killed_in_mid_run_and_started_again_the_run_completes_once(tmp_path: Path):
    """The second service takes the run up by itself; there is one run, with one report, and it is clear."""
    slow = Fault("latency", seconds=0.3, times=1)
    async with simulate(*(account(id_, slow) for id_ in IDS)) as simulator:
        one = firm(
            tmp_path, simulator, IDS, run="concurrency = 2\npoll_first_s = 0.05\npoll_max_s = 0.2\nwatch_s = 1\n"
        )
        async with serving(one) as service:
            run = (await service.press()).body["run_id"]
            await until(lambda: len(sent(simulator, "DELETE")) >= 3 and "attempt" in kinds(tmp_path / LEDGER))
            service.process.signal(signal.SIGKILL)
            await service.process.finish()
        async with serving(one) as service:
            report = await service.report(run)
            listed = await service.ask("GET", "/v1/runs")

        assert ("clear", True, 1) == (report["verdict"], report["finished"], len(report["resumed"]))
        assert [run] == [row["run_id"] for row in listed.body["runs"]]
        assert set(IDS) == set(sent(simulator, "DELETE"))
        assert not any(simulator.truth(id_).open for id_ in IDS)


async def test_asked_to_reload_while_it_starts_it_does_so_afterwards(tmp_path: Path):
    """SIGHUP does not end it, however early it comes: before there is a loop, and while it starts."""
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1])
        async with started(*one.lines("serve"), cwd=tmp_path, program=after(_HUP_AT_START)) as process:
            await process.says("serving on")
            await process.says("panic: reloaded")
            process.signal(signal.SIGTERM)
            done = await process.finish()

    assert 0 == done.code, done.err


async def test_told_to_end_it_sends_every_first_delete_that_is_owed(tmp_path: Path):
    """SIGTERM in mid-run: no account is left unsent, and the run can be resumed."""
    async with simulate(*(account(id_) for id_ in IDS), latency_s=0.05) as simulator:
        one = firm(tmp_path, simulator, IDS, run="concurrency = 1\nwatch_s = 3\n")
        async with serving(one) as service:
            run = (await service.press()).body["run_id"]
            await until(lambda: bool(sent(simulator, "DELETE")))
            service.process.signal(signal.SIGTERM)
            done = await service.process.finish()
        (row,) = json.loads((await panic(*one.lines("runs", "--format", "json"), cwd=tmp_path)).out)["runs"]

        assert 0 == done.code, done.err
        assert set(IDS) == set(sent(simulator, "DELETE"))
        assert (run, "unfinished") == (row["run_id"], row["state"])


async def test_it_does_not_listen_where_it_must_not_or_cannot(tmp_path: Path):
    """Elsewhere than on loopback it wants TLS or a proxy; neither that nor a port that is taken is a traceback."""
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1])
        text = one.settings.read_text()
        async with serving(one) as service:
            one.settings.write_text(text.replace("port = 0", f"port = {service.url.rpartition(':')[2]}"))
            taken = await panic(*one.lines("serve"), cwd=tmp_path)
        one.settings.write_text(text.replace("port = 0", 'port = 0\nhost = "0.0.0.0"'))
        to_all = await panic(*one.lines("serve"), cwd=tmp_path)

    assert (78, 78) == (taken.code, to_all.code)
    assert "cannot listen" in taken.err
    assert "behind_proxy" in to_all.err
    assert "Traceback" not in taken.err + to_all.err


async def test_the_log_has_one_line_of_whatever_matters(tmp_path: Path):
    """Each press, refusal, hook, verdict and reload: all of one shape, nothing more, and without asking for it."""
    bearer = {"who": "", "Authorization": "Bearer " + "4711" * 8}
    (tmp_path / "hook.secret").write_text("4711" * 8)
    (tmp_path / "hook.secret").chmod(0o600)
    more = '[hooks.limits]\nscheme = "bearer"\nsecrets = [{ file = "hook.secret" }]\naccounts = [1]\n'
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1], run="watch_s = 0\n", more=more)
        async with serving(one) as service:
            await service.press(wait=15)
            await service.ask("POST", "/v1/runs", {"scope": {"groups": ["nobody"]}, "reason": "x"})
            await service.ask("POST", "/v1/hooks/limits", {"type": "limit.test", "data": {}}, **bearer)
            await service.ask("GET", "/v1/status", who="")
            service.process.signal(signal.SIGHUP)
            await service.process.says('"reloaded"')
            service.process.signal(signal.SIGTERM)
            done = await service.process.finish()
    lines = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]

    events = ["press", "run_finished", "refused", "hook_recorded", "refused", "reloaded"]
    lines = [one for one in lines if one["event"] != "ledger_trouble"]  # a busy machine's disk may be late
    assert events == [one["event"] for one in lines]
    assert all({"event", "level", "timestamp"} <= set(one) for one in lines)
    assert ("unprocessable", "clear") == (lines[2]["code"], lines[1]["verdict"])


async def test_no_secret_is_shown(tmp_path: Path):
    """Neither keys nor tokens stand in what the service says, answers, records or has on its command line.

    Whoever put them there: into a reason, a hook's message, a scope that makes no sense, a name, a path or an id.
    """
    secret = tmp_path / "hook.secret"
    secret.touch(mode=0o600)
    secret.write_text("a-secret-of-the-alertmanager-4711")
    bearer = {"who": "", "Authorization": f"Bearer {secret.read_text()}"}
    more = f'[hooks.limits]\nscheme = "bearer"\nsecrets = [{{ file = "{secret}" }}]\naccounts = [1]\n'
    said = {"type": "limit.test", "data": {"message": f"{KEY} {TOKEN} {secret.read_text()}"}}
    async with simulate(account(1, Fault("status", status=403))) as simulator:
        one = firm(tmp_path, simulator, [1], run="watch_s = 0\ndeadline_s = 2\n", more=more)
        async with serving(one) as service:
            answers = [
                await service.press(reason=f"leak {KEY} {TOKEN}", by=f"{KEY} {TOKEN}", wait=15),
                await service.ask("GET", "/v1/status"),
                await service.ask("GET", "/metrics"),
                await service.ask("POST", "/v1/hooks/limits", said, **bearer),
                await service.ask("POST", "/v1/hooks/limits", {**said, "status": KEY}, **bearer),
                await service.ask("POST", "/v1/runs", {"scope": {"groups": [KEY]}, "reason": "x"}),
                await service.ask("GET", f"/v1/runs/{KEY}/report", X_Request_Id=KEY),
                await service.ask("GET", f"/{'x' * 70}{KEY}", who="", Host=KEY),
            ]
            texts = [str(answers), service.process.arguments()]
            service.process.signal(signal.SIGTERM)
            done = await service.process.finish()
        texts += [done.err, done.out]
        texts += [file.read_bytes().decode("latin-1") for file in (tmp_path / LEDGER).parent.iterdir()]

    assert [200, 200, 200, 200, 202, 422, 404, 421] == [one.status for one in answers]
    assert "audit" in kinds(tmp_path / LEDGER)
    assert not any(KEY[10:30] in text for text in texts)
    assert not any(TOKEN in text or secret.read_text() in text for text in texts)


async def test_heads_are_signed_so_that_nobody_without_the_key_makes_another_history(tmp_path: Path):
    """The line of a run's end has the signature; what is shown later is anchored, until it is written anew."""
    key_in(tmp_path / "ledger.key")
    more = 'signing_key = "ledger.key"\n'
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1], ledger=f"{SETTINGS}{more}")
        async with serving(one) as service:
            pressed = (await service.press(wait=15)).body
            said = await service.process.says(f"{pressed['run_id']} ended")
    (line,) = (tmp_path / f"{LEDGER}.heads").read_text().splitlines()
    shown = typed(*one.lines("show", "last", "--format", "json"))
    typed(*one.lines("evidence", "export", "last", "--output", str(tmp_path / "run.evidence")))
    given = ("--signed", str(tmp_path / f"{LEDGER}.heads"), "--key", str(tmp_path / "ledger.key.pub"))
    verified = typed("evidence", "verify", str(tmp_path / "run.evidence"), *given)
    half = typed("evidence", "verify", str(tmp_path / "run.evidence"), *given[:2])
    rewrite(tmp_path / LEDGER, lambda one: one._replace(at="2026-03-01T15:30:00.000000+00:00"))
    altered = typed(*one.lines("show", "last", "--format", "json"))

    assert line.startswith(f"{pressed['ledger_head']} ")
    assert f"ended clear; ledger head {line}" in said
    assert (0, 0, 64, 10) == (shown.code, verified.code, half.code, altered.code)
    assert "panic: anchored" in shown.err
    assert '"finding": "anchored"' in verified.out
    assert "panic: altered or damaged" in altered.err


async def test_people_are_told_that_somebody_wrote_the_ledger_anew(tmp_path: Path):
    """While the service runs, and with hashes that fit."""
    told: list[dict[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        told.append(await request.json())
        return web.Response()

    def later(one: Event) -> Event:
        return one._replace(at="2026-03-01T15:30:00.000000+00:00")

    async with simulate(account(1)) as simulator, listening(take) as url:
        secret = tmp_path / "pager.url"
        secret.touch(mode=0o600)
        secret.write_text(url.replace("http://", "json://"))
        more = f'[notify.pager]\nurl = {{ file = "{secret}" }}\ntells = ["page"]\n'
        calm = {"PYTHONWARNINGS": "default"}  # the library that delivers is warned of what it uses itself
        async with serving(firm(tmp_path, simulator, [1], more=more), env=calm) as service:
            await service.press(wait=15)
            rewrite(tmp_path / LEDGER, later)
            pressed = await service.press(reason="another", wait=15)
            await until(lambda: bool(told))
            said = await service.process.says(f"{pressed.body['run_id']} ended")

    assert "clear" == pressed.body["verdict"]
    assert f"ended clear; ledger head {pressed.body['ledger_head']}" in said
    assert told[0]["title"].startswith("THE LEDGER IS NOT TO BE TRUSTED")


async def test_a_run_that_is_not_clear_pages_once(tmp_path: Path):
    """A plain webhook is told of a refusal, and of a run that is left; the next start does not tell it again."""
    told: list[dict[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        told.append(await request.json())
        return web.Response()

    async with (
        simulate(account(1, Fault("status", status=403)), account(2, Fault("stuck"))) as simulator,
        listening(take) as url,
    ):
        secret = tmp_path / "pager.url"
        secret.touch(mode=0o600)
        secret.write_text(url.replace("http://", "json://"))
        more = f'[notify.pager]\nurl = {{ file = "{secret}" }}\ntells = ["page"]\n'
        calm = {"PYTHONWARNINGS": "default"}  # the library that delivers is warned of what it uses itself
        one = firm(tmp_path, simulator, [1, 2], more=more)
        async with serving(one, env=calm) as service:
            run = (await service.press(scope={"accounts": [1]}, wait=15)).body["run_id"]
            await until(lambda: bool(told))
            await service.press(scope={"accounts": [2]})
            await until(lambda: 2 in sent(simulator, "DELETE"))
            service.process.signal(signal.SIGTERM)
            await service.process.finish()
        rows = [event.body for event in events(tmp_path / LEDGER) if event.body.get("what") == "paged"]
        left = look(config.load(one.settings, {}))

    assert 2 == len(told)
    assert told[0]["title"].startswith("REFUSED")
    assert "Its next start resumes it" in told[1]["message"]
    assert run in [body["run_id"] for body in rows]
    assert run not in left
