"""What a server's metrics tell of the versions that it serves."""

import pytest

from penstock.components.release.served import read_served

FAMILY = "# TYPE penstock_served_model gauge\n"


def test_the_versions_of_a_model():
    metrics = FAMILY + "".join(
        f'penstock_served_model{{version="{version}",model_name="{name}",fingerprint="{fingerprint}"}} {value}\n'
        for name, version, fingerprint, value in (
            ("flights", 3, "9d1d", 1),
            ("flights", 4, "ca7a", 1.0),
            ("flights", 2, "0000", 0),
            ("other", 1, "ffff", 1),
        )
    )
    assert read_served(metrics, "flights") == {"9d1d", "ca7a"}
    assert read_served(FAMILY, "flights") == frozenset()


@pytest.mark.parametrize("answer", ["", "# TYPE request_preprocess_seconds histogram\n", '{"error": "not found"}', "<html>404</html>"])
def test_another_server_does_not_tell(answer):
    assert read_served(answer, "flights") is None
