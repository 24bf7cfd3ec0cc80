import pytest
import torch
from golden_models import noise
from vit_names import CODES, SIZES, random_weights, vit, vitpose, written_by

from lib.models import PoseWarper
from lib.models.inference import prepare_for_inference
from lib.models.pose_vit import PoseViT
from lib.utils.checkpoint import load_weights
from lib.utils.errors import InputError
from lib.utils.weight_names import net

TINY = {"EMBED_DIM": 48, "DEPTH": 3, "NUM_HEADS": 4}
MILLIONS = {"S": 24, "B": 90, "L": 309, "H": 637}  # parameters with the classic decoder, of ViTPose's table


def tiny(decoder="classic", size=(64, 96), joints=5):
    return PoseViT(joints, {**TINY, "POS_EMBED_SIZE": list(size), "DECODER": decoder}).eval()


def filled(net):
    net.load_state_dict(random_weights({name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}))
    return net


def loaded(path, tensors, net):
    torch.save({"state_dict": tensors}, path / "weights.pth")
    return load_weights(net, path / "weights.pth")


@pytest.mark.parametrize("decoder", ["classic", "simple"])
@pytest.mark.parametrize("size", SIZES)
def test_names_shapes_and_sizes_are_published(size, decoder):
    dim, depth, heads = SIZES[size]
    with torch.device("meta"):
        model = PoseViT(17, {"EMBED_DIM": dim, "DEPTH": depth, "NUM_HEADS": heads, "DECODER": decoder})
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes == vitpose(dim, depth, 17, simple=decoder == "simple")
    assert net(model.state_dict()) == f"ViT-{size} with 17 joints"
    if decoder == "classic":
        assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(MILLIONS[size], abs=1)


@pytest.mark.parametrize("decoder", ["classic", "simple"])
@pytest.mark.parametrize("code", CODES)
def test_weights_of_every_program(tmp_path, code, decoder):
    model = tiny(decoder)
    weights = random_weights(vitpose(48, 3, 5, simple=decoder == "simple", patches=24))
    report = loaded(tmp_path, written_by(code, weights), model)
    report.raise_if_incomplete()
    assert report.unexpected == []
    if code == "mmpose1":  # without a class token
        added = weights["pos_embed"][:, 1:] + weights["pos_embed"][:, :1]
        weights["pos_embed"] = torch.cat([torch.zeros(1, 1, 48), added], dim=1)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


def hugging_face(simple, experts=1, size=(96, 64)):
    transformers = pytest.importorskip("transformers", reason="needs transformers, an independent ViTPose")
    backbone = transformers.VitPoseBackboneConfig(
        image_size=list(size),
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_experts=experts,
        part_features=12 if experts > 1 else 0,
        layer_norm_eps=1e-6,
        out_indices=[3],
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=5, use_simple_decoder=simple)
    return filled(transformers.VitPoseForPoseEstimation(config).eval())


@pytest.mark.parametrize("experts", [1, 6], ids=["vitpose", "vitpose+"])
@pytest.mark.parametrize("decoder", ["classic", "simple"])
@torch.no_grad()
def test_heatmaps_are_those_of_transformers(tmp_path, decoder, experts):
    theirs = hugging_face(decoder == "simple", experts)
    theirs.save_pretrained(tmp_path)
    model = tiny(decoder)
    load_weights(model, tmp_path / "model.safetensors").raise_if_incomplete()
    images = noise(0, 2, 3, 96, 64)
    coco = {"dataset_index": torch.zeros(2, dtype=torch.long)} if experts > 1 else {}
    expected = theirs(images, **coco).heatmaps
    assert expected.std() > 0.1
    torch.testing.assert_close(model(images), expected, rtol=0, atol=1e-4)


def test_the_names_of_transformers_are_those_of_the_map():
    for simple in (False, True):
        model = hugging_face(simple)
        weights = {name: torch.empty(shape) for name, shape in vitpose(48, 3, 5, simple, patches=24).items()}
        expected = {name: tensor.shape for name, tensor in written_by("huggingface", weights).items()}
        assert {name: tensor.shape for name, tensor in model.state_dict().items()} == expected


def test_files_split_from_vitpose_plus_have_its_experts_still(tmp_path):
    weights = random_weights(vitpose(48, 3, 5, patches=24))
    tensors = written_by("vitpose", weights)
    for block in range(3):
        tensors[f"backbone.blocks.{block}.mlp.experts.0.weight"] = torch.zeros(12, 192)
        tensors[f"backbone.blocks.{block}.mlp.experts.0.bias"] = torch.zeros(12)
    model = tiny()
    loaded(tmp_path, tensors, model).raise_if_incomplete()
    assert torch.equal(model.blocks[1].mlp.fc2.weight, weights["blocks.1.mlp.fc2.weight"])


@pytest.mark.parametrize("patch", [16, 14])
def test_training_starts_from_mae(tmp_path, patch):
    """Square positions are interpolated, patches of 14 pixels are padded, and the decoder stays as it is."""
    weights = random_weights(dict(vit(48, 3, patches=49, patch=patch)))
    positions = torch.arange(7.0).repeat_interleave(7)[None, :, None].expand(1, 49, 48)  # the row
    weights["pos_embed"] = torch.cat([torch.full((1, 1, 48), 9.0), positions], dim=1)
    model = tiny()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = loaded(
        tmp_path, weights | {"cls_token": torch.zeros(1, 1, 48), "mask_token": torch.zeros(1, 1, 48)}, model
    )
    assert {name.split(".")[0] for name in report.missing} == {"deconv_layers", "final_layer"}
    assert report.unexpected == ["cls_token", "mask_token"]
    assert torch.equal(model.deconv_layers[0].weight, before["deconv_layers.0.weight"])
    assert torch.equal(model.last_norm.weight, weights["norm.weight"])
    margin = (16 - patch) // 2
    inner = model.patch_embed[0].weight[..., margin : 16 - margin, margin : 16 - margin]
    assert torch.equal(inner, weights["patch_embed.proj.weight"])
    assert torch.count_nonzero(model.patch_embed[0].weight) == torch.count_nonzero(inner)
    assert (model.pos_embed[:, 0] == 9).all()
    rows = model.pos_embed[0, 1:, 0].unflatten(0, (6, 4))
    torch.testing.assert_close(rows, rows[:, :1].expand(6, 4))
    centers = (torch.arange(6) + 0.5) * 7 / 6 - 0.5
    torch.testing.assert_close(rows[2:4, 0], centers[2:4], rtol=0, atol=0.05)


def test_mae_without_its_last_norm_can_start_a_training(tmp_path):
    weights = random_weights(dict(vit(48, 3, patches=49)))
    report = loaded(tmp_path, {name: tensor for name, tensor in weights.items() if name[:4] != "norm"}, tiny())
    assert "last_norm.weight" in report.missing
    with pytest.raises(InputError, match="not in the file are 2 of last_norm"):
        report.raise_if_incomplete()


def test_positions_of_an_unknown_grid_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"1 that are needed are not among them \(pos_embed\)"):
        loaded(tmp_path, random_weights(dict(vit(48, 3, patches=45))), tiny())


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("backbone.encoder.layer.1.attention.attention.key.weight", (40, 40)),
        ("backbone.encoder.layer.1.attention.attention.value.bias", ()),
        ("backbone.encoder.layer.1.mlp.fc2.weight", ()),
        ("backbone.embeddings.position_embeddings", (1, 0, 48)),
        ("backbone.embeddings.patch_embeddings.projection.weight", (48, 3, 14, 15)),
    ],
)
def test_tensors_of_other_shapes_are_refused(tmp_path, name, shape):
    tensors = written_by("huggingface", random_weights(vitpose(48, 3, 5, patches=24)))
    for block in range(3):
        tensors[f"backbone.encoder.layer.{block}.mlp.experts.0.weight"] = torch.zeros(12, 192)
    tensors[name] = torch.zeros(shape)
    with pytest.raises(InputError, match="that are needed are not among them"):
        loaded(tmp_path, tensors, tiny())


def test_a_net_of_another_size_is_named(tmp_path):
    weights = random_weights(vitpose(32, 2, 5, patches=24))
    with pytest.raises(InputError, match="contains ViT-32x2 with 5 joints, but the experiment's net is ViT-48x3"):
        loaded(tmp_path, weights, tiny())


@torch.no_grad()
def test_other_sizes_interpolate_the_positions():
    model = filled(tiny(size=(64, 96)))
    larger = filled(tiny(size=(96, 128)))
    larger.load_state_dict(model.state_dict() | {"pos_embed": larger.pos_embed})
    maps = model.pos_embed[:, 1:].transpose(1, 2).unflatten(2, (6, 4))
    maps = torch.nn.functional.interpolate(maps, (8, 6), mode="bicubic")
    larger.pos_embed[:, 1:], larger.pos_embed[:, 0] = maps.flatten(2).transpose(1, 2), model.pos_embed[:, 0]
    images = noise(0, 1, 3, 128, 96)
    heatmaps = model(images)
    assert heatmaps.shape == (1, 5, 32, 24)
    torch.testing.assert_close(heatmaps, larger(images))


@pytest.mark.parametrize("decoder", ["classic", "simple"])
@torch.inference_mode()
def test_the_inference_form_is_the_net(decoder):
    model, images = filled(tiny(decoder)), noise(0, 2, 3, 96, 64)
    expected = model(images)
    for dtype, most in ((torch.float32, 1e-5), (torch.bfloat16, 0.05)):
        heatmaps = prepare_for_inference(model, dtype)(images)
        assert heatmaps.dtype == torch.float32
        assert (heatmaps - expected).abs().max() < most * expected.abs().max()


@torch.no_grad()
def test_a_posewarper_over_it_at_any_size():
    warper = PoseWarper(tiny(), 5, num_blocks=1, num_channels=8, dilations=(1, 2)).eval()
    for height, width in ((96, 64), (64, 32), (128, 160)):
        assert warper(noise(0, 2, 2, 3, height, width)).shape == (2, 5, height // 4, width // 4)


def test_a_posewarper_starts_from_weights_of_transformers(tmp_path):
    weights = random_weights(vitpose(48, 3, 5, patches=24))
    warper = PoseWarper(tiny(), 5, num_blocks=1, num_channels=8, dilations=(1,))
    report = loaded(tmp_path, written_by("huggingface", weights), warper)
    assert report.model_net == "PoseWarper over ViT-48x3 with 5 joints"
    assert torch.equal(warper.pose_net.blocks[2].attn.qkv.weight, weights["blocks.2.attn.qkv.weight"])
    assert all(name.startswith(("offset", "deform_conv")) for name in report.missing)


def test_drop_path_skips_blocks_in_training_alone():
    torch.manual_seed(0)
    model = filled(PoseViT(5, {**TINY, "POS_EMBED_SIZE": [64, 96], "DROP_PATH_RATE": 0.6}))
    images = noise(0, 1, 3, 96, 64).expand(8, -1, -1, -1)
    assert [block.drop_path.p for block in model.blocks] == pytest.approx([0, 0.3, 0.6])
    model.deconv_layers.eval()  # the batch's statistics would differ too
    assert model(images).std(dim=0).max() > 0.01
    assert model.eval()(images).std(dim=0).max() < 1e-5


def test_layers_above_a_parameter():
    model = tiny()
    above = {name: model.layers_above(name) for name, _ in model.named_parameters()}
    assert {name: count for name, count in above.items() if not name.startswith("blocks.")} == {
        name: 4 if name.startswith(("pos_embed", "patch_embed")) else 0
        for name in above
        if not name.startswith("blocks.")
    }
    for block in range(3):
        assert {count for name, count in above.items() if name.startswith(f"blocks.{block}.")} == {3 - block}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("NUM_HEADS", 5, "EMBED_DIM is 48: it must be a multiple of MODEL.EXTRA.NUM_HEADS 5"),
        ("POS_EMBED_SIZE", [192, 250], r"POS_EMBED_SIZE is \[192, 250\]: both sides must be multiples of 16"),
        ("DROP_PATH_RATE", 1, "DROP_PATH_RATE is 1: it must be at least 0 and less than 1"),
        ("DECODER", "deconv", "DECODER is 'deconv': supported values are classic, simple"),
    ],
)
def test_bad_settings_are_one_line(key, value, message):
    with pytest.raises(InputError, match=message):
        PoseViT(5, {**TINY, key: value})


def test_images_of_another_multiple_are_refused():
    with pytest.raises(InputError, match=r"make both sides of MODEL\.IMAGE_SIZE multiples of 32"):
        tiny()(noise(0, 1, 3, 96, 48))
