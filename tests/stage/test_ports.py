"""A port that was chosen stays its chooser's until the server listens, whoever else looks for one."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.stage import ports
from app.stage.ports import free_port, hold, outgoing_ports
from tests.support import web_process as web
from tests.support.server import ScratchDatabase

TAKER = "import sys; from app.stage.ports import hold; print(hold(int(sys.argv[1])), flush=True); sys.stdin.read()"


def test_a_port_is_none_that_an_outgoing_connection_may_get() -> None:
    first, last = outgoing_ports()
    assert not [port for port in (free_port() for _ in range(200)) if first <= port <= last]


def test_where_all_ports_are_for_outgoing_connections_one_of_them_is_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    everything = tmp_path / "range"
    everything.write_text("1024\t65535\n")
    monkeypatch.setattr(ports, "_OUTGOING", everything)
    assert free_port() > 10_080, "what browsers refuse to open"


def test_a_port_is_one_process_s_until_that_process_ends() -> None:
    port = free_port()
    assert not hold(port), "it is held already"

    taker = [sys.executable, "-c", TAKER, str(port)]
    refused = subprocess.run(taker, input="", capture_output=True, text=True, check=True)
    assert refused.stdout == "False\n"

    other = free_port()
    ports._held.pop().close()
    with subprocess.Popen([*taker[:-1], str(other)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not hold(other)
        holder.communicate("")
    assert hold(other)


def test_a_port_with_a_server_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not hold(server.getsockname()[1])


def test_a_process_holds_its_last_ports_only() -> None:
    first = free_port()
    for _ in range(ports._MOST_HELD):
        free_port()
    assert len(ports._held) == ports._MOST_HELD
    assert hold(first)


async def test_a_server_that_cannot_start_is_the_error_of_its_test_alone(
    database: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taker, monkeypatch.context() as patched:
        taker.bind(("127.0.0.1", 0))
        patched.setattr(web, "free_port", lambda: taker.getsockname()[1])
        with pytest.raises(RuntimeError, match="did not start"):
            async with web.web_process(database.dsn):
                pass
    async with web.web_process(database.dsn) as http:
        assert (await http.get("/readyz")).status_code == 200
