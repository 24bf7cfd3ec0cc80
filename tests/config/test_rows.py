"""experiments/rows.yaml, and files like it."""

from math import nan
from pathlib import Path

import pytest
import yaml

from lib.config import load_config
from lib.config.rows import choose, read_rows, read_weights, row_of_weights
from lib.utils.download import Download, named_checksum
from lib.utils.errors import InputError

PATH = Path(__file__).parents[2] / "experiments/rows.yaml"
ROWS = read_rows(PATH)

MINIMAL = """
files: {data/a/labels.json: here, data/a/boxes.json: there, models/inside.pth: the archive}
tables:
  a/table:
    protocol: p
    source: s
    metrics: [AP, AR]
    scorer: oks
    needs: [data/a/labels.json]
    experiment: a.yaml
    overrides: {WORKERS: 1, SEED: 1}
    rows:
      first: {values: [0.5, 0.25], url: "https://a.org/net-01234567.pth", overrides: {SEED: 2}, megabytes: 7}
      second: {values: [50, 25], url: "https://a.org/all.zip", weights: models/inside.pth, boxes: data/a/boxes.json}
starting_weights: {start: "https://a.org/net-01234567.pth"}
detectors: {detector/d: {url: "https://b.org/d-00000000.pth", megabytes: 5}}
terms: {"https://a.org/": free}
"""


@pytest.fixture
def minimal(tmp_path):
    def write(old="", new=""):
        assert old in MINIMAL
        (tmp_path / "rows.yaml").write_text(MINIMAL.replace(old, new) if old else MINIMAL)
        return tmp_path / "rows.yaml"

    return write


def test_every_published_row_is_there_once():
    assert len(ROWS) == len({row.id for row in ROWS}) == 60
    assert sum(len(row.values) for row in ROWS) == 325


def test_one_checkpoint_by_two_rules():
    """AI Challenger before and after MMPose took the factor on the sigmas away; boxes of PoseTrack18 in 0.x and 1.x."""
    rows = {row.id: row for row in ROWS}

    def pair(table, *names):
        own = [rows[f"{table}/{name}"] for name in names]
        assert own[0].weights == own[1].weights
        settings = ([part for pair in row.settings(Path()).items() for part in pair] for row in own)
        return own, [load_config(row.experiment, keys) for row, keys in zip(own, settings, strict=True)]

    own, cfgs = pair("resnet/aic", "res101-256x192", "res101-256x192-restated")
    assert [list(row.values) for row in own] == [[0.65, 0.947, 0.726, 0.68, 0.954], [0.294, 0.736, 0.174, 0.337, 0.763]]
    assert [cfg.TEST.SIGMA_SCALE for cfg in cfgs] == [2, 1]
    own, cfgs = pair("resnet/posetrack18-gt-boxes", "res50-256x192", "res50-256x192-mmpose0")
    assert [row.published["Mean"] for row in own] == [81.2, 81.0]
    assert [cfg.DATASET.CLIP_BOXES for cfg in cfgs] == ["edges", "last_pixel"]
    assert [cfg.TEST.POST_PROCESS_PER_AXIS for cfg in cfgs] == [True, False]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_has_an_experiment_that_loads(row, tmp_path):
    for data_dir in (Path(), tmp_path):
        settings = [part for setting in row.settings(data_dir).items() for part in setting]
        cfg = load_config(row.experiment, settings)
        for path in row.needs:
            assert (data_dir / path).is_relative_to(cfg.DATASET.ROOT)
        assert bool(row.boxes) != cfg.TEST.USE_GT_BBOX or cfg.TEST.MODE == "propagate"
        assert cfg.TEST.USE_GT_BBOX or cfg.TEST.COCO_BBOX_FILE == (str(data_dir / row.boxes) if row.boxes else "")


@pytest.mark.parametrize("name", [file.name for file in read_weights(PATH)])
def test_weights_carry_a_checksum(name):
    assert named_checksum(name) or name == "PoseWarper_supp_files.zip"


def test_weights_that_trainings_start_from_can_be_fetched():
    """But for HRNet's of ImageNet, whose names' digits are not known to be a checksum."""
    known = {file.name for file in read_weights(PATH)}
    experiments = [path for kind in ("hrnet", "resnet") for path in PATH.parent.rglob(f"{kind}/[wr]*.yaml")]
    wanted = {Path(load_config(path).MODEL.PRETRAINED).name for path in experiments} - {""}
    assert wanted - known == {"hrnet_w32-36af842e.pth", "hrnet_w48-8ef0771d.pth"}


def test_vision_transformers_and_trunks_start_from_maes_files_or_fetched_ones():
    known = {file.name for file in read_weights(PATH)}
    experiments = [path for kind in ("vit", "trunk") for path in PATH.parent.rglob(f"*/{kind}/[vc]*.yaml")]
    wanted = {Path(load_config(path).MODEL.PRETRAINED) for path in experiments}
    later = {path for path in wanted if path.parts[0] == "output"}  # stage 2, from stage 1
    mae = {f"mae_pretrain_vit_{size}.pth" for size in ("small", "base", "large", "huge")}
    assert {path.name for path in wanted - later} - known == mae
    assert {f"{path.parent.name}.yaml" for path in later} <= {path.name for path in experiments}


def test_the_row_of_a_file_s_name(minimal):
    rows = read_rows(minimal())
    assert row_of_weights(rows, "inside.pth").id == "a/table/second"
    assert row_of_weights(rows, "net-01234567.pth").id == "a/table/first"
    assert row_of_weights(rows, "all.zip") is None
    assert row_of_weights(read_rows(minimal("overrides: {SEED: 2}", "weights_as: --raft")), "net-01234567.pth") is None


@pytest.mark.parametrize(
    "name", sorted({Path(row.weights).name for row in ROWS if row.weights_as == "TEST.MODEL_FILE"})
)
def test_published_weights_tell_an_experiment_that_estimates_single_frames_or_five(name):
    row = row_of_weights(ROWS, name)
    changes = [part for pair in row.overrides.items() for part in pair]
    assert load_config(row.experiment, changes).TEST.MODE in ("single", "aggregate")


def test_files_that_no_row_needs_are_not_listed():
    used = {path for row in ROWS for path in (*row.needs, row.weights)}
    assert set(yaml.safe_load(PATH.read_text())["files"]) <= used


def test_rows_inherit_from_their_table(minimal, tmp_path):
    first, second = read_rows(minimal())
    assert (first.id, second.id) == ("a/table/first", "a/table/second")
    assert first.overrides == {"WORKERS": 1, "SEED": 2}
    assert second.overrides == {"WORKERS": 1, "SEED": 1}
    assert first.experiment == tmp_path / "a.yaml"
    assert first.published == {"AP": 0.5, "AR": 0.25}
    assert (first.decimals, second.decimals) == (3, 1)


def test_figures_by_the_scorers_names_and_in_the_published_unit(minimal):
    columns = "scorer: oks\n    columns: {AP: [left AP, right AP]}\n    scale: 0.01"
    row, _ = read_rows(minimal("scorer: oks", columns))
    assert row.measured({"left AP": 50, "right AP": 60, "AR": 70.0}) == pytest.approx({"AP": 0.55, "AR": 0.7})
    assert row.measured({"left AP": 50, "right AP": None, "AR": 70}) == pytest.approx(
        {"AP": nan, "AR": 0.7}, nan_ok=True
    )
    nothing = row.measured({"left AP": -1.0, "right AP": -1.0, "AR": 0})
    assert nothing == pytest.approx({"AP": nan, "AR": 0}, nan_ok=True)
    with pytest.raises(InputError, match="no figure for right AP, AR"):
        row.measured({"left AP": 50, "AP": 55})


def test_the_files_of_a_row(minimal, tmp_path):
    first, second = read_rows(minimal())
    assert [str(file.path) for file in first.data_files(Path())] == ["data/a/labels.json"]
    assert [file.source for file in second.data_files(tmp_path)] == ["here", "there"]
    assert second.weights_file(tmp_path).path == tmp_path / "models/inside.pth"
    weights = first.weights_file(Path())
    assert str(weights.path) == "models/net-01234567.pth"
    assert weights.source.endswith("python tools/download.py a/table/first")
    assert first.weights_file(tmp_path).source == f"{weights.source} --to {tmp_path / 'models'}"
    assert second.weights_file(tmp_path).source == "the archive"


def test_an_empty_folder_is_not_there(minimal, tmp_path):
    (labels,) = read_rows(minimal())[0].data_files(tmp_path)
    assert not labels.is_there
    labels.path.mkdir(parents=True)
    assert not labels.is_there
    (labels.path / "1.jpg").touch()
    assert labels.is_there


def test_weights_and_who_needs_them(minimal):
    assert read_weights(minimal()) == [
        Download(url="https://a.org/net-01234567.pth", users=("a/table/first", "start"), megabytes=7, terms="free"),
        Download(url="https://a.org/all.zip", users=("a/table/second",), terms="free"),
        Download(url="https://b.org/d-00000000.pth", users=("detector/d",), megabytes=5),
    ]


def test_weights_that_were_not_published(minimal):
    path = minimal('url: "https://a.org/all.zip", weights', "weights")
    assert [file.name for file in read_weights(path)] == ["net-01234567.pth", "d-00000000.pth"]
    assert read_rows(path)[1].weights_file(Path()).source == "the archive"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("values: [50, 25]", "values: [50]", "a/table/second: a value for each of metrics"),
        ("[AP, AR]", "[AP, AP]", "a/table/first: a value for each of metrics"),
        ("[AP, AR]", "[AR, PCK]", "one of which is Mean or AP"),
        ("scorer: oks", "scorer: mine", "scorer is 'mine'"),
        ("needs: [data/a/labels.json]", "needs: [data/b.json]", "'data/b.json' is missing, or is not one of files"),
        ("    experiment: a.yaml\n", "", "'experiment' is missing"),
        ("scorer: oks", "scorer: oks\n    columns: {mAP: AP}", "columns: mAP is not one of metrics"),
        ("protocol: p", "protocoll: p", "unexpected keyword argument 'protocoll'"),
        ("https://a.org/net-01234567.pth", "file:///net-01234567.pth", "not an http or https URL"),
        ("https://b.org/d-00000000.pth", "b.org/d-00000000.pth", "not an http or https URL"),
        ('url: "https://b.org/d-00000000.pth", ', "", "None: not an http or https URL"),
        ("tables:", "table:", "must have the keys files and tables"),
        ("files: {", "files: ", "not a YAML file"),
    ],
)
def test_invalid_files_are_reported(minimal, old, new, message):
    with pytest.raises(InputError, match=r"^.*$") as error:
        read_weights(minimal(old, new))
    assert message in str(error.value)


def test_choosing_by_name_and_by_table():
    names = {"x": ["resnet/coco/a", "a.pth"], "y": ["resnet/coco/b"], "z": ["resnet/coco-whole/a"]}
    assert choose(names, ["resnet/coco"]) == choose(names, ["resnet/coco/"]) == ["x", "y"]
    assert choose(names, ["resnet/coco-whole/a", "a.pth", "resnet/coco/a"]) == ["x", "z"]
    with pytest.raises(InputError, match=r"no such name; did you mean resnet/coco\?"):
        choose(names, ["a.pth", "resnet/coc"])
