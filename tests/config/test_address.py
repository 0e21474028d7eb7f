"""Which addresses a key may be sent to."""

import pytest

from panic.config.address import safe_base_url
from panic.kit.errors import ConfigurationError

URL = "https://api.clearstreet.com"
ODD = "contains a blank, a control character or a letter that is not ASCII"


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        (URL, URL),
        (f"{URL}/v1", URL),
        (f"{URL}/v1//", URL),
        ("HTTPS://API.ClearStreet.com:8443", "https://api.clearstreet.com:8443"),
        ("https://gateway.example/Broker_1/live", "https://gateway.example/Broker_1/live"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]:443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://LocalHost", "http://localhost"),
    ],
)
def test_a_safe_address_is_taken(url: str, safe: str):
    """What panic adds itself is dropped."""
    assert safe == safe_base_url(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "is not a plain address of a host"),
        (f"{URL}\n", ODD),
        ("https://\u0430pi.clearstreet.com", ODD),
        ("https://joe:hunter2@api.clearstreet.com", "contains a user name or a password"),
        ("https://hunter2?@x", "contains a user name or a password"),
        (f"{URL}?key=hunter2", "contains a query or a fragment"),
        (f"{URL}#hunter2", "contains a query or a fragment"),
        ("api.clearstreet.com", "is not a plain address of a host"),
        ("https:///v1", "is not a plain address of a host"),
        ("https://joe:hunter2", "is not a plain address of a host"),
        (f"{URL}\\@evil.example", "contains a user name or a password"),
        (f"{URL}/a/../b", "is not a plain address of a host"),
        (f"{URL}/a%2fb", "is not a plain address of a host"),
        (f"{URL}//a", "is not a plain address of a host"),
        ("https://[::g]", "is not a plain address of a host"),
        ("https://[1.2.3.4]", "is not a plain address of a host"),
        ("ftp://api.clearstreet.com", "is not a plain address of a host"),
        (f"{URL}:0", "has the port 0"),
        ("http://api.clearstreet.com", "would send the key unencrypted"),
        ("http://127.0.0.1.evil.example", "would send the key unencrypted"),
        ("http://localhost.evil.example", "would send the key unencrypted"),
        ("http://[::ffff:127.0.0.1]", "would send the key unencrypted"),
    ],
)
def test_an_unsafe_address_is_refused(url: str, message: str):
    """No message repeats what could be a password."""
    with pytest.raises(ConfigurationError) as caught:
        safe_base_url(url)

    assert f"base_url {message}" == caught.value.problems[0].what
    assert "hunter2" not in str(caught.value)
