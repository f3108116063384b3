from __future__ import annotations

import pytest

from sfu.cluster.redis_url import parse_redis_url
from sfu.errors import ConfigError


def test_one_redis() -> None:
    url = parse_redis_url("redis://us%40er:p%2Fw@host/3?prefix=court")
    assert (url.hosts, url.database, url.username, url.password) == ((("host", 6379),), 3, "us@er", "p/w")
    assert url.options == {"prefix": "court"} and not url.tls and url.build_tls() == {}


def test_over_tls_names_are_checked() -> None:
    url = parse_redis_url("rediss://:secret@host:7000?ca=/etc/ca.pem")
    assert url.hosts == (("host", 7000),) and url.username is None and url.password == "secret"
    told = url.build_tls()
    assert told["ssl_ca_certs"] == "/etc/ca.pem" and told["ssl_check_hostname"] is True
    assert told["ssl_cert_reqs"] == "required"


def test_sentinels_and_the_service_that_they_watch() -> None:
    url = parse_redis_url("redis+sentinel://s1,[::1]:7,s3:26380/main/2?sentinel_password=x")
    assert url.hosts == (("s1", 26379), ("::1", 7), ("s3", 26380))
    assert (url.service, url.database, url.options["sentinel_password"]) == ("main", 2, "x")


def test_a_unix_socket() -> None:
    assert parse_redis_url("unix:///run/redis/redis.sock").path == "/run/redis/redis.sock"


def test_passwords_are_not_shown() -> None:
    url = parse_redis_url("redis://me:secret@host?sentinel_password=secret")
    assert "secret" not in repr(url) + url.place


@pytest.mark.parametrize(
    "text",
    ["", "host", "http://host", "redis://", "redis://host/x", "redis://host/1/2", "redis://a,b", "redis://host:99999",
     "redis+sentinel://host", "redis://host?colour=red", "unix://", "redis://[::1", "redis://me:secret@:3"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ConfigError, match=r"cluster_url: .*forms redis://") as caught:
        parse_redis_url(text)
    assert "secret" not in str(caught.value).replace("password", "")
