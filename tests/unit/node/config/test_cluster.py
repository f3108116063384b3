"""Settings of a node that is one of several: what is wrong is said by name, and no password with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sfu.node.config.settings import Settings
from sfu.node.config.sources import SettingsError, load_settings

URL = "redis://us:s3cret@127.0.0.1/2"
PUBLIC = "https://a.sfu.example"


def load(**settings: str) -> Settings:
    return load_settings({"dev": True, **settings}, None)


def refuse(**settings: str) -> list[tuple[str, str]]:
    with pytest.raises(SettingsError) as refused:
        load(**settings)
    assert "s3cret" not in str(refused.value)
    return [(problem.key, problem.message) for problem in refused.value.problems]


def test_a_node_is_alone_by_default() -> None:
    assert not load().cluster_url.get_secret_value()


def test_a_node_of_a_cluster() -> None:
    settings = load(cluster_url=URL, cluster_node="a", cluster_region="eu", cluster_public_url=f"{PUBLIC}/media/")
    assert settings.cluster_public_url == f"{PUBLIC}/media"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    ["rediss://redis.example?ca=/etc/ca.pem", "redis+sentinel://one,two:26380/main/1", "unix:///run/redis.sock"],
)
def test_each_form_of_an_address_is_taken(url: str) -> None:
    assert load(cluster_url=url, cluster_public_url=PUBLIC).cluster_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("settings", "key", "word"),
    [
        ({"cluster_url": "http://us:s3cret@host", "cluster_public_url": PUBLIC}, "cluster_url", "rediss://"),
        ({"cluster_url": URL}, "cluster_public_url", "is needed with cluster_url"),
        ({"cluster_url": URL, "cluster_public_url": "a.sfu.example"}, "cluster_public_url", "no URL"),
        ({"cluster_url": URL, "cluster_public_url": f"{PUBLIC}/?x"}, "cluster_public_url", "neither query"),
        ({"cluster_url": URL, "cluster_public_url": "https://u:s3cret@x/"}, "cluster_public_url", "no URL"),
        ({"cluster_url": URL, "cluster_public_url": PUBLIC, "cluster_node": "a b"}, "cluster_node", "letters"),
        ({"cluster_node": "a"}, "cluster_node", "without cluster_url"),
        ({"cluster_region": "eu"}, "cluster_region", "without cluster_url"),
        ({"cluster_public_url": PUBLIC}, "cluster_public_url", "without cluster_url"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, str], key: str, word: str) -> None:
    ((found, message),) = refuse(**settings)
    assert (found, word in message) == (key, True), message


def test_a_node_alone_knows_nothing_of_redis() -> None:
    program = (
        "import sys, sfu.node.serve, sfu.node.app\n"
        "from sfu.node.config.sources import load_settings\n"
        "load_settings({'dev': True}, None)\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'redis' or name.startswith('sfu.cluster')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
