"""Every key of an experiment file, with its default and, where the name does not say it, its meaning and unit.

Keys keep the names that HRNet's and PoseWarper's first code gave them wherever they mean the same.
"""

from yacs.config import CfgNode as CN  # noqa: N817 (yacs's own short name)

DEFAULTS = CN()

DEFAULTS.OUTPUT_DIR = "output"  # results go to OUTPUT_DIR/<data set>/<model>/<experiment>/
DEFAULTS.LOG_DIR = "log"
DEFAULTS.DATA_DIR = ""  # joined before every relative path of data and weights: PATHS, and the files of annotations
DEFAULTS.EXPERIMENT_NAME = ""  # '': the name of the experiment file
DEFAULTS.GPUS = (0,)
DEFAULTS.WORKERS = 4  # processes that read and crop images
DEFAULTS.PRINT_FREQ = 20  # iterations
DEFAULTS.AUTO_RESUME = False  # go on with the checkpoint.pth of the run's own folder, if there is one
DEFAULTS.PIN_MEMORY = True
DEFAULTS.SEED = 0

DEFAULTS.CUDNN = CN()
DEFAULTS.CUDNN.BENCHMARK = True
DEFAULTS.CUDNN.DETERMINISTIC = False
DEFAULTS.CUDNN.ENABLED = True
DEFAULTS.CUDNN.ALLOW_TF32 = True  # PyTorch's default; False: neither convolutions nor matrix products use TF32

DEFAULTS.MODEL = CN()
DEFAULTS.MODEL.NAME = "pose_hrnet"  # the pose net: pose_hrnet or pose_resnet
DEFAULTS.MODEL.INIT_WEIGHTS = True  # False: training starts from random weights, even if PRETRAINED names some
DEFAULTS.MODEL.PRETRAINED = ""  # weights that training starts from
DEFAULTS.MODEL.FREEZE_POSE_NET = False  # train the warping head only; the pose net's BatchNorm keeps its statistics
DEFAULTS.MODEL.NUM_JOINTS = 17
DEFAULTS.MODEL.TARGET_TYPE = "gaussian"  # around the joint's cell; unbiased: around the joint itself; udp: that too,
# with crops, flip test and decoding by UDP, in training and tests: no SHIFT_HEATMAP, DARK in any case
DEFAULTS.MODEL.IMAGE_SIZE = [256, 256]  # width, height of the crop in pixels
DEFAULTS.MODEL.HEATMAP_SIZE = [64, 64]  # width, height in cells: a quarter of IMAGE_SIZE, and may be left out
DEFAULTS.MODEL.SIGMA = 2.0  # of a target's gaussian, in cells
DEFAULTS.MODEL.EXTRA = CN(new_allowed=True)  # the pose net's own numbers: EXTRA below
DEFAULTS.MODEL.WARP = CN()
DEFAULTS.MODEL.WARP.ENABLED = False  # PoseWarper: the pose net and the warping head
DEFAULTS.MODEL.WARP.NUM_BLOCKS = 20
DEFAULTS.MODEL.WARP.NUM_CHANNELS = 128
DEFAULTS.MODEL.WARP.DILATIONS = [3, 6, 12, 18, 24]

DEFAULTS.LOSS = CN()
DEFAULTS.LOSS.USE_OHKM = False  # only the TOPK hardest joints of a sample count
DEFAULTS.LOSS.TOPK = 8
DEFAULTS.LOSS.USE_TARGET_WEIGHT = True
DEFAULTS.LOSS.USE_DIFFERENT_JOINTS_WEIGHT = False

DEFAULTS.DATASET = CN()
DEFAULTS.DATASET.DATASET = "mpii"
DEFAULTS.DATASET.ROOT = ""
DEFAULTS.DATASET.TRAIN_SET = "train"
DEFAULTS.DATASET.TEST_SET = "valid"
DEFAULTS.DATASET.ANNOTATION_DIR = ""  # searched for the annotations of a split; '': ROOT/annotations
DEFAULTS.DATASET.TRAIN_ANNOTATIONS = ""  # COCO-style file or folder of official files, maybe in ANNOTATION_DIR
DEFAULTS.DATASET.TEST_ANNOTATIONS = ""  # the same for testing; '' for both: those of the split
DEFAULTS.DATASET.IMAGE_DIR = ""  # what the file names of the annotations are relative to; '': ROOT
DEFAULTS.DATASET.GT_DIR = ""  # official PoseTrack ground truth to score against; '': the annotations
DEFAULTS.DATASET.DATA_FORMAT = "jpg"  # jpg: image files; zip: images inside zip archives
DEFAULTS.DATASET.ALSO = []  # more data sets of the same joints to train on, each a mapping of keys of ALSO below
DEFAULTS.DATASET.JOINTS_BOX = "auto"  # PoseTrack, people without a box: their joints' extent + 1 pixel, × 1.2
# (posetrack17: published, as far as can be told), or extent × 1.3 (posetrack18); auto: by DATASET
DEFAULTS.DATASET.BOXES = "joints"  # custom: of people are those around their joints (joints), or the file's own (file)
DEFAULTS.DATASET.CLIP_BOXES = "last_pixel"  # ground-truth boxes end at x + w − 1 (HRNet, MMPose 0.x); or both edges
# are moved into the image, each by itself (edges, MMPose 1.x): lib.pose.crop.clip_box
DEFAULTS.DATASET.FRAME_DELTAS = [-2, -1, 0, 1, 2]  # δ of a pair of frames A, A + δ: one is drawn
DEFAULTS.DATASET.NUM_LABELED_VIDEOS = -1  # sparse labels: so many videos, −1: all
DEFAULTS.DATASET.NUM_LABELED_FRAMES_PER_VIDEO = -1  # and so many frames of each, −1: all
DEFAULTS.DATASET.REPEAT = 1  # an epoch goes over the labels so many times, each time with other crops and pairs
DEFAULTS.DATASET.SELECT_DATA = False
DEFAULTS.DATASET.FLIP = True
DEFAULTS.DATASET.SCALE_FACTOR = 0.25
DEFAULTS.DATASET.ROT_FACTOR = 30  # degrees
DEFAULTS.DATASET.SHIFT_FACTOR = 0.0  # the crop's center moves by at most this share of its width and height,
DEFAULTS.DATASET.PROB_SHIFT = 0.0  # with this probability
DEFAULTS.DATASET.PROB_HALF_BODY = 0.0
DEFAULTS.DATASET.NUM_JOINTS_HALF_BODY = 8
DEFAULTS.DATASET.COLOR_RGB = False  # False: the net is fed BGR
DEFAULTS.DATASET.EXIF_ORIENTATION = False  # turn images as their EXIF tag says (MMPose); HRNet's code ignores it

DEFAULTS.TRAIN = CN()
DEFAULTS.TRAIN.OPTIMIZER = "adam"
DEFAULTS.TRAIN.LR = 0.001
DEFAULTS.TRAIN.LR_FACTOR = 0.1
DEFAULTS.TRAIN.LR_STEP = [90, 110]  # epochs
DEFAULTS.TRAIN.WARMUP_ITERATIONS = 0  # the rate rises from a thousandth of it over so many, evenly
DEFAULTS.TRAIN.MOMENTUM = 0.9
DEFAULTS.TRAIN.WD = 0.0001  # weight decay of SGD; Adam has none, as the published schedules need it
DEFAULTS.TRAIN.NESTEROV = False
DEFAULTS.TRAIN.BEGIN_EPOCH = 0
DEFAULTS.TRAIN.END_EPOCH = 140
DEFAULTS.TRAIN.ITERATIONS_PER_EPOCH = 30000  # at most
DEFAULTS.TRAIN.EVALUATE_EVERY = 1  # epochs from one test to the next, with TEST.EVALUATE; the last is always tested
DEFAULTS.TRAIN.CHECKPOINT_EVERY = 1  # epochs from one checkpoint.pth to the next; the last always has one
DEFAULTS.TRAIN.RESUME = False  # from TRAIN.CHECKPOINT, or from the checkpoint.pth of the run's own folder
DEFAULTS.TRAIN.CHECKPOINT = ""
DEFAULTS.TRAIN.BATCH_SIZE_PER_GPU = 32
DEFAULTS.TRAIN.SHUFFLE = True

DEFAULTS.TEST = CN()
DEFAULTS.TEST.MODE = "single"  # single | pair | aggregate | average | propagate
DEFAULTS.TEST.AGGREGATE = CN()
DEFAULTS.TEST.AGGREGATE.OFFSETS = [0, -1, -2, 1, 2]  # frames, from the key frame
DEFAULTS.TEST.AGGREGATE.WEIGHTS = [0.3, 0.25, 0.1, 0.25, 0.1]
DEFAULTS.TEST.PROPAGATE = CN()
DEFAULTS.TEST.PROPAGATE.FROM = "labels"  # what is warped: the key frame's labels, or the net's own heatmaps (net)
DEFAULTS.TEST.PROPAGATE.HOP = 3  # frames that one warp bridges at most; a longer way is gone in several
DEFAULTS.TEST.PROPAGATE.FOLLOW = True  # after each hop the crop goes along with the pose
DEFAULTS.TEST.PROPAGATE.RELATIVE = False  # measure the way from where the label itself ends; the paper does not
DEFAULTS.TEST.PROPAGATE.REFINE = 0.0  # width, for each frame of distance and as a share of the crop's height, of the
# neighbourhood of a propagated joint in which the net's own heatmap of the frame moves it; 0: it does not
DEFAULTS.TEST.PROPAGATE.PSEUDO_LABELS = "unlabeled"  # --method single estimates poses in these frames, and the labelled
# ones keep their labels; or in all of them (all). In both, people are in the boxes of TEST.USE_GT_BBOX
DEFAULTS.TEST.PROPAGATE.SAVE = False  # make training labels of the sparse training set's
DEFAULTS.TEST.BATCH_SIZE_PER_GPU = 32
DEFAULTS.TEST.EVALUATE = True
DEFAULTS.TEST.TRACKING = False  # MOTA too: refused until there is a tracker
DEFAULTS.TEST.FLIP_TEST = False
DEFAULTS.TEST.SHIFT_HEATMAP = False  # of the flip test: its heatmaps one cell to the right
DEFAULTS.TEST.POST_PROCESS = False  # a quarter of a cell toward the higher neighbour
DEFAULTS.TEST.POST_PROCESS_PER_AXIS = False  # of POST_PROCESS: at the border in x a joint still moves in y, and vice
# versa (MMPose 1.x); else it moves in neither
DEFAULTS.TEST.DARK = False  # in place of POST_PROCESS: to the peak of the gaussian around the highest cell
DEFAULTS.TEST.USE_GT_BBOX = False
DEFAULTS.TEST.COCO_BBOX_FILE = ""  # detected boxes
DEFAULTS.TEST.IMAGE_THRE = 0.1  # detected boxes under this score are dropped
DEFAULTS.TEST.NMS_THRE = 1.0  # detected boxes of one frame that overlap more (IoU) are dropped; 1: none
DEFAULTS.TEST.JOINT_SCORE = "peak_times_box"  # a joint's submitted score; or the raw heatmap peak (peak)
DEFAULTS.TEST.OKS_NMS = False  # re-score persons and drop those that repeat another, where scores rank them: PoseTrack,
# OKS AP. PCK and PCKh want one pose of everybody: there nobody is dropped
DEFAULTS.TEST.RESCORE = False  # re-score persons as OKS_NMS does, and drop nobody
DEFAULTS.TEST.SOFT_NMS = False  # of OKS_NMS: the soft variant
DEFAULTS.TEST.OKS_THRE = 0.5
DEFAULTS.TEST.SIGMA_SCALE = 1.0  # factor on the sigmas of OKS, in AP and in OKS_NMS
DEFAULTS.TEST.IN_VIS_THRE = 0.0  # joints over this peak count in the re-scoring
DEFAULTS.TEST.BBOX_THRE = 1.0  # stands in older files; their code never read it, and ours does not
DEFAULTS.TEST.MODEL_FILE = ""  # weights; '': final_state.pth of the output folder

DEFAULTS.DEBUG = CN()
DEFAULTS.DEBUG.DEBUG = False  # pictures of some batches, in the output folder; the four below choose which
DEFAULTS.DEBUG.SAVE_BATCH_IMAGES_GT = True
DEFAULTS.DEBUG.SAVE_BATCH_IMAGES_PRED = True
DEFAULTS.DEBUG.SAVE_HEATMAPS_GT = True
DEFAULTS.DEBUG.SAVE_HEATMAPS_PRED = True

_STAGE = ("NUM_MODULES", "NUM_BRANCHES", "BLOCK", "NUM_BLOCKS", "NUM_CHANNELS", "FUSE_METHOD")

EXTRA = {
    "pose_hrnet": (
        "PRETRAINED_LAYERS",  # the parts that are taken from MODEL.PRETRAINED; ['*'] or none: all
        "STEM_CHANNELS",
        "STEM_BLOCKS",
        *(f"{stage}.{key}" for stage in ("STAGE2", "STAGE3", "STAGE4") for key in _STAGE),
        "FINAL_CONV_KERNEL",
    ),
    "pose_resnet": (
        "PRETRAINED_LAYERS",
        "NUM_LAYERS",
        "STRIDE_IN_1X1",  # Caffe's ResNet: the first convolution of a bottleneck halves the resolution, not the second
        "NUM_DECONV_LAYERS",
        "NUM_DECONV_FILTERS",
        "NUM_DECONV_KERNELS",
        "DECONV_WITH_BIAS",
        "FINAL_CONV_KERNEL",
    ),
}
"""Keys of MODEL.EXTRA that each net knows; lib.models explains them."""

PATHS = (
    "DATASET.ROOT",
    "DATASET.ANNOTATION_DIR",
    "DATASET.IMAGE_DIR",
    "DATASET.GT_DIR",
    "MODEL.PRETRAINED",
    "TEST.MODEL_FILE",
    "TEST.COCO_BBOX_FILE",
)
"""Keys that DATA_DIR is joined before, where they are relative."""

ALSO = (
    "DATASET",
    "ROOT",
    "TRAIN_SET",
    "ANNOTATION_DIR",
    "TRAIN_ANNOTATIONS",
    "IMAGE_DIR",
    "DATA_FORMAT",
    "JOINTS_BOX",
    "NUM_LABELED_VIDEOS",
    "NUM_LABELED_FRAMES_PER_VIDEO",
)
"""Keys of DATASET that are each data set's own; in a mapping of DATASET.ALSO those not named have their defaults."""

CHOICES = {
    "MODEL.NAME": ("pose_hrnet", "pose_resnet"),
    "MODEL.TARGET_TYPE": ("gaussian", "unbiased", "udp"),
    "DATASET.DATA_FORMAT": ("jpg", "png", "zip"),
    "DATASET.JOINTS_BOX": ("auto", "posetrack17", "posetrack18"),
    "DATASET.BOXES": ("joints", "file"),
    "DATASET.CLIP_BOXES": ("last_pixel", "edges"),
    "TRAIN.OPTIMIZER": ("adam", "sgd"),
    "TEST.MODE": ("single", "pair", "aggregate", "average", "propagate"),
    "TEST.PROPAGATE.FROM": ("labels", "net"),
    "TEST.PROPAGATE.PSEUDO_LABELS": ("unlabeled", "all"),
    "TEST.JOINT_SCORE": ("peak_times_box", "peak"),
}

LEAST = {
    "GPUS": 0,
    "WORKERS": 0,
    "SEED": 0,
    "PRINT_FREQ": 1,
    "MODEL.NUM_JOINTS": 1,
    "MODEL.SIGMA": 0.5,
    "MODEL.WARP.NUM_BLOCKS": 1,
    "MODEL.WARP.NUM_CHANNELS": 1,
    "MODEL.WARP.DILATIONS": 1,
    "LOSS.TOPK": 1,
    "DATASET.REPEAT": 1,
    "DATASET.SHIFT_FACTOR": 0,
    "TRAIN.WARMUP_ITERATIONS": 0,
    "TRAIN.EVALUATE_EVERY": 1,
    "TRAIN.CHECKPOINT_EVERY": 1,
    "TRAIN.BATCH_SIZE_PER_GPU": 1,
    "TEST.BATCH_SIZE_PER_GPU": 1,
    "TEST.OKS_THRE": 0,
    "TEST.SIGMA_SCALE": 0.01,
    "TEST.PROPAGATE.HOP": 1,
    "TEST.PROPAGATE.REFINE": 0,
}
