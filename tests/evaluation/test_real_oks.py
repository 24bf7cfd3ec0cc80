"""Examples with the scores of the original tools, which POSEWARPER_TEST_DATA holds (eval/)."""

import os
from pathlib import Path

import pytest

from lib.evaluation.oks import WHOLEBODY_PARTS, evaluate_oks

FOLDER = Path(os.environ.get("POSEWARPER_TEST_DATA", ""), "eval")
pytestmark = pytest.mark.skipif(not os.environ.get("POSEWARPER_TEST_DATA"), reason="POSEWARPER_TEST_DATA is not set")


def table(data_set, example):
    folder = FOLDER / "xtcocoapi"
    return evaluate_oks(data_set, folder / f"example_{example}_val.json", folder / f"example_{example}_preds.json")[
        "table"
    ]


def test_coco():
    names = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR")
    scores = table("coco", "coco")
    assert [scores[name] for name in names] == pytest.approx(
        [0.86089, 0.993145, 0.910891, 0.775578, 0.937252, 0.875], abs=5e-7
    )


def test_crowdpose():
    names = ("AP", "AP .5", "AP .75", "AR", "AP(E)", "AP(M)", "AP(H)")
    scores = table("crowdpose", "crowdpose")
    assert [scores[name] for name in names] == pytest.approx(
        [0.787722, 0.988119, 0.731436, 0.822222, 1.0, 0.9802, 0.4116], abs=5e-7
    )


def test_wholebody():
    scores = table("coco_wholebody", "wholebody")
    parts = [scores[f"{part} AP"] for part in WHOLEBODY_PARTS]
    assert parts == pytest.approx([0.854, 0.957, 0.727, 0.549, 0.498, 0.642], abs=5e-4)


def test_format_of_ai_challenger():
    files = (FOLDER / "aic" / f"keypoint_{kind}_example.json" for kind in ("annotations", "predictions"))
    assert evaluate_oks("aic", *files)["table"]["mAP"] == pytest.approx(0.99674031, abs=5e-9)
