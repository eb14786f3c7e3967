"""cluster.yaml is what Ray's own autoscaler accepts, and says what each setting is for."""

import re
from itertools import pairwise
from pathlib import Path

import yaml

TEXT = (Path(__file__).parents[2] / "cluster.yaml").read_text()


def test_ray_accepts_the_cluster_file() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(yaml.safe_load(TEXT))
    validate_config(config)
    assert config["cluster_name"] == "trochil"


def test_every_setting_says_what_it_is_for() -> None:
    lines = TEXT.splitlines()
    bare = [
        line
        for before, line in pairwise(lines)
        if re.match(r"[a-z_]+:", line) and not before.startswith("#")
    ]
    assert bare == []
