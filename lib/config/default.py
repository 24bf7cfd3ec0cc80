"""All keys of an experiment file with their defaults and, unless obvious from the name, their meaning and unit.

Keys keep the names from HRNet's and PoseWarper's original code if the meaning is the same.
"""

from yacs.config import CfgNode as CN  # noqa: N817 (the usual alias for yacs)

DEFAULTS = CN()

DEFAULTS.OUTPUT_DIR = "output"  # results go to OUTPUT_DIR/<data set>/<model>/<experiment>/
DEFAULTS.LOG_DIR = "log"  # curves for TensorBoard go here
DEFAULTS.DATA_DIR = ""  # prepended to every relative path of data and weights: PATHS and annotation files
DEFAULTS.EXPERIMENT_NAME = ""  # '': name of the experiment file
DEFAULTS.GPUS = (0,)  # numbers of the GPUs, one per process; the CPU is used without a GPU
DEFAULTS.WORKERS = 4  # number of processes that read and crop images
DEFAULTS.PRINT_FREQ = 20  # iterations between lines of the log
DEFAULTS.AUTO_RESUME = False  # resume from checkpoint.pth in the run's own folder if it exists
DEFAULTS.PIN_MEMORY = True  # load batches into page-locked memory, from which a GPU copies faster
DEFAULTS.SEED = 0  # seed of initial weights, order of clips, crops, and sparse labels

DEFAULTS.CUDNN = CN()
DEFAULTS.CUDNN.BENCHMARK = True  # time cuDNN's algorithms and use the fastest
DEFAULTS.CUDNN.DETERMINISTIC = False  # use only cuDNN's deterministic algorithms
DEFAULTS.CUDNN.ENABLED = True  # use cuDNN
DEFAULTS.CUDNN.ALLOW_TF32 = True  # PyTorch's default; False: no TF32 in convolutions or matrix products

DEFAULTS.MODEL = CN()
DEFAULTS.MODEL.NAME = "pose_hrnet"  # pose net: a module of lib/models
DEFAULTS.MODEL.INIT_WEIGHTS = True  # False: training starts from random weights, even if PRETRAINED names some
DEFAULTS.MODEL.PRETRAINED = ""  # weights to start training from
DEFAULTS.MODEL.FREEZE_POSE_NET = False  # train only the warping head; freezes the pose net's BatchNorm statistics too
DEFAULTS.MODEL.NUM_JOINTS = 17  # joints, each with a heatmap
DEFAULTS.MODEL.TARGET_TYPE = "gaussian"  # centered on the joint's cell; unbiased: on the joint itself; udp: the same
# with UDP's crops, flip test, and decoding in training and testing (without SHIFT_HEATMAP, always with DARK)
DEFAULTS.MODEL.IMAGE_SIZE = [256, 256]  # width, height of the crop in pixels
DEFAULTS.MODEL.HEATMAP_SIZE = [64, 64]  # width, height in cells; always a quarter of IMAGE_SIZE, can be omitted
DEFAULTS.MODEL.SIGMA = 2.0  # standard deviation of a target's Gaussian, in cells
DEFAULTS.MODEL.EXTRA = CN(new_allowed=True)  # settings of the pose net: EXTRA of its module
DEFAULTS.MODEL.WARP = CN()
DEFAULTS.MODEL.WARP.ENABLED = False  # PoseWarper: the pose net with the warping head
DEFAULTS.MODEL.WARP.NUM_BLOCKS = 20  # residual blocks of the warping head
DEFAULTS.MODEL.WARP.NUM_CHANNELS = 128  # channels of the residual blocks
DEFAULTS.MODEL.WARP.DILATIONS = [3, 6, 12, 18, 24]  # dilations of the deformable convolutions, averaged at the end

DEFAULTS.LOSS = CN()
DEFAULTS.LOSS.USE_OHKM = False  # use only the TOPK hardest joints of a sample
DEFAULTS.LOSS.TOPK = 8  # with USE_OHKM, number of joints
DEFAULTS.LOSS.USE_TARGET_WEIGHT = True  # ignore joints without a label
DEFAULTS.LOSS.USE_DIFFERENT_JOINTS_WEIGHT = False  # weight joints as the skeleton says (needs USE_TARGET_WEIGHT)

DEFAULTS.DATASET = CN()
DEFAULTS.DATASET.DATASET = "mpii"  # name in lib/formats/data_sets.yaml, or custom
DEFAULTS.DATASET.ROOT = ""  # folder of the data set
DEFAULTS.DATASET.TRAIN_SET = "train"  # split to train on
DEFAULTS.DATASET.TEST_SET = "valid"  # split to test on
DEFAULTS.DATASET.ANNOTATION_DIR = ""  # folder with the annotations of each split; '': ROOT/annotations
DEFAULTS.DATASET.TRAIN_ANNOTATIONS = ""  # COCO-style file or folder of official files, possibly in ANNOTATION_DIR
DEFAULTS.DATASET.TEST_ANNOTATIONS = ""  # the same for testing; in both, '' means the annotations of the split
DEFAULTS.DATASET.IMAGE_DIR = ""  # base folder of the file names in annotations; '': ROOT
DEFAULTS.DATASET.GT_DIR = ""  # official PoseTrack ground truth to score against; '': the annotations
DEFAULTS.DATASET.DATA_FORMAT = "jpg"  # jpg: image files; zip: images inside zip archives
DEFAULTS.DATASET.ALSO = []  # additional training data sets with the same joints, each a mapping with keys of ALSO below
DEFAULTS.DATASET.JOINTS_BOX = "auto"  # PoseTrack people without a box: extent of the joints + 1 pixel, × 1.2
# (posetrack17, presumably the published protocol), or extent × 1.3 (posetrack18); auto: according to DATASET
DEFAULTS.DATASET.BOXES = "joints"  # custom data: boxes around the joints (joints) or from the file (file)
DEFAULTS.DATASET.CLIP_BOXES = "last_pixel"  # ground-truth boxes end at x + w − 1 (HRNet, MMPose 0.x); edges: both
# edges are clipped to the image independently (MMPose 1.x); see lib.pose.crop.clip_box
DEFAULTS.DATASET.FRAME_DELTAS = [-2, -1, 0, 1, 2]  # δ of a pair of frames A, A + δ, drawn at random
DEFAULTS.DATASET.NUM_LABELED_VIDEOS = -1  # sparse labels: number of videos, −1: all
DEFAULTS.DATASET.NUM_LABELED_FRAMES_PER_VIDEO = -1  # number of frames per video, −1: all
DEFAULTS.DATASET.REPEAT = 1  # passes over the labels in an epoch, each with new crops and pairs
DEFAULTS.DATASET.SELECT_DATA = False  # train only on people whose joints are centered in the box (HRNet's rule)
DEFAULTS.DATASET.FLIP = True  # mirror half of the clips in training
DEFAULTS.DATASET.SCALE_FACTOR = 0.25  # standard deviation of the crop's scale factor, which stays within 1 ± this
DEFAULTS.DATASET.ROT_FACTOR = 30  # standard deviation of the crop's angle in degrees, which stays within ± twice this
DEFAULTS.DATASET.SHIFT_FACTOR = 0.0  # maximum shift of the crop's center as a fraction of its width and height
DEFAULTS.DATASET.PROB_SHIFT = 0.0  # probability of that shift
DEFAULTS.DATASET.PROB_HALF_BODY = 0.0  # probability of a crop of the upper or lower body
DEFAULTS.DATASET.NUM_JOINTS_HALF_BODY = 8  # only people with more labeled joints get such a crop
DEFAULTS.DATASET.COLOR_RGB = False  # False: the input of the net is BGR
DEFAULTS.DATASET.EXIF_ORIENTATION = False  # orient images according to EXIF (MMPose); HRNet's code ignores EXIF

DEFAULTS.TRAIN = CN()
DEFAULTS.TRAIN.OPTIMIZER = "adam"  # adam | adamw | sgd
DEFAULTS.TRAIN.PRECISION = "fp32"  # fp32 | tf32 | bf16 | fp16 | auto; fp32: CUDNN.ALLOW_TF32 decides on TF32 in
# convolutions; auto: bf16 if the device multiplies it in hardware, else fp32
DEFAULTS.TRAIN.LR = 0.001  # learning rate
DEFAULTS.TRAIN.LAYER_DECAY = 1.0  # factor on LR for each layer below the decoder; not 1: pose_vit, see docs/vit.md
DEFAULTS.TRAIN.LR_FACTOR = 0.1  # factor on the learning rate at each epoch of LR_STEP
DEFAULTS.TRAIN.LR_STEP = [90, 110]  # epochs after which the learning rate falls
DEFAULTS.TRAIN.SCHEDULE = "step"  # by LR_FACTOR at LR_STEP; cosine: half a cosine from LR to 0 at END_EPOCH
DEFAULTS.TRAIN.WARMUP_ITERATIONS = 0  # linear warmup of the learning rate, from a thousandth of it
DEFAULTS.TRAIN.MOMENTUM = 0.9  # momentum of SGD
DEFAULTS.TRAIN.WD = 0.0001  # weight decay of SGD and AdamW; Adam uses none, as in the published schedules
DEFAULTS.TRAIN.NESTEROV = False  # use Nesterov momentum with SGD
DEFAULTS.TRAIN.BEGIN_EPOCH = 0  # first epoch
DEFAULTS.TRAIN.END_EPOCH = 140  # number of epochs
DEFAULTS.TRAIN.ITERATIONS_PER_EPOCH = 30000  # maximum
DEFAULTS.TRAIN.EVALUATE_EVERY = 1  # epochs between tests, with TEST.EVALUATE; the last epoch is always tested
DEFAULTS.TRAIN.CHECKPOINT_EVERY = 1  # epochs between checkpoints; 500it: iterations, 10m: minutes, both also in the
# middle of an epoch; the last epoch always has one
DEFAULTS.TRAIN.RESUME = False  # resume from TRAIN.CHECKPOINT, or from checkpoint.pth in the run's own folder
DEFAULTS.TRAIN.CHECKPOINT = ""  # checkpoint.pth of another run to resume from
DEFAULTS.TRAIN.BATCH_SIZE_PER_GPU = 32  # crops (stage 1) or pairs (stage 2) in a batch
DEFAULTS.TRAIN.ACCUMULATE = 1  # batches per iteration, whose gradients are averaged; 8: an eight-GPU recipe on one GPU
DEFAULTS.TRAIN.CLIP_GRADIENT = 0.0  # maximum norm of the gradient; 0: no clipping
DEFAULTS.TRAIN.EMA = 0.0  # decay of the moving average of weights, which is tested and saved; 0: no average
DEFAULTS.TRAIN.NOT_FINITE = "stop"  # when the loss is not finite: stop, or skip the iteration
DEFAULTS.TRAIN.SYNC_BN = False  # BatchNorm statistics of all GPUs' batches together
DEFAULTS.TRAIN.COMPILE = False  # torch.compile
DEFAULTS.TRAIN.PROFILE = 0  # iterations to profile, from the second on: trace.json in the run's folder; 0: none
DEFAULTS.TRAIN.SHUFFLE = True  # draw the clips of an epoch in random order
DEFAULTS.TRAIN.FRAME_CACHE_MB = 0  # 0: shuffle all clips; else the workers of a process keep this many MiB of decoded
# frames and clips are shuffled in blocks whose frames fit, so that a frame is decoded about once in an epoch

DEFAULTS.TEST = CN()
DEFAULTS.TEST.MODE = "single"  # single | pair | aggregate | average | propagate
DEFAULTS.TEST.AGGREGATE = CN()
DEFAULTS.TEST.AGGREGATE.OFFSETS = [0, -1, -2, 1, 2]  # frames relative to the key frame
DEFAULTS.TEST.AGGREGATE.WEIGHTS = [0.3, 0.25, 0.1, 0.25, 0.1]  # weights of these frames in the sum
DEFAULTS.TEST.AGGREGATE.SHARE_CROPS = False  # take the heatmaps of neighboring frames from the person's crops there, so
# that the pose net processes each frame once rather than once for each clip that contains it
DEFAULTS.TEST.PROPAGATE = CN()
DEFAULTS.TEST.PROPAGATE.FROM = "labels"  # warp the key frame's labels, or the net's heatmaps (net)
DEFAULTS.TEST.PROPAGATE.HOP = 3  # maximum distance of one warp in frames; longer distances take several warps
DEFAULTS.TEST.PROPAGATE.FOLLOW = True  # move the crop with the pose after each hop
DEFAULTS.TEST.PROPAGATE.RELATIVE = False  # measure motion from the label warped onto its own frame; not in the paper
DEFAULTS.TEST.PROPAGATE.REFINE = 0.0  # refine propagated joints with the net's heatmap of the frame, in a neighborhood
# of this width per frame of distance, as a fraction of the crop's height; 0: no refinement
DEFAULTS.TEST.PROPAGATE.PSEUDO_LABELS = "unlabeled"  # frames for the poses of --method single: unlabeled or all.
# With unlabeled, labeled frames keep their labels; in both cases TEST.USE_GT_BBOX selects the boxes of people
DEFAULTS.TEST.PROPAGATE.SAVE = False  # save propagated labels of the sparse training set as training labels
DEFAULTS.TEST.BATCH_SIZE_PER_GPU = 32  # auto: as many clips as fit into a GPU's memory
DEFAULTS.TEST.PRECISION = "fp32"  # fp32 | tf32 | bf16 | fp16 | auto; fp32: CUDNN.ALLOW_TF32 decides on TF32 in
# convolutions; auto: bf16 if the device multiplies it in hardware, else fp32
DEFAULTS.TEST.COMPILE = False  # compile the net with torch.compile, once for each batch size
DEFAULTS.TEST.EVALUATE = True  # score the predictions, if the labels are there
DEFAULTS.TEST.TRACKING = False  # tools/test.py: track people, and compute MOTA, IDF1, and HOTA too (PoseTrack)
DEFAULTS.TEST.JOINT_THRE = 0.0  # with TRACKING, minimum score of submitted joints: MOTA counts every wrong joint
DEFAULTS.TEST.TRACKER = CN()  # who is who in a video (tools/demo.py)
DEFAULTS.TEST.TRACKER.MOTION = "velocity"  # carries poses to the next frame: warp (the PoseWarper), flow (DIS),
# velocity (constant), none
DEFAULTS.TEST.TRACKER.ASSIGNMENT = "optimal"  # largest sum of similarities; greedy: the most similar pair first
DEFAULTS.TEST.TRACKER.MIN_SIMILARITY = 0.02  # of a pose to its track
DEFAULTS.TEST.TRACKER.MEMORY = 15  # frames after which a person who is out of sight is forgotten
DEFAULTS.TEST.TRACKER.CONFIDENT = 0.0  # people with a lower box score are linked last and begin no tracks
DEFAULTS.TEST.TRACKER.VOTES = 1  # number of a track's last poses to compare with
DEFAULTS.TEST.TRACKER.COLOR_WEIGHT = 0.2  # weight of the colors around the joints in the similarity
DEFAULTS.TEST.TRACKER.FILL = 0  # look for a person whom the detector missed in up to this many frames in a row
DEFAULTS.TEST.TRACKER.SMOOTH = False  # when all frames are done: join tracks, fill gaps, smooth the joints
DEFAULTS.TEST.TRACKER.MIN_LENGTH = 3  # with SMOOTH: remove tracks in fewer frames
DEFAULTS.TEST.FLIP_TEST = False  # average the heatmaps with those of the mirrored crop
DEFAULTS.TEST.SHIFT_HEATMAP = False  # shift the flip test's heatmaps one cell to the right
DEFAULTS.TEST.POST_PROCESS = False  # move joints a quarter of a cell toward the higher neighbor
DEFAULTS.TEST.POST_PROCESS_PER_AXIS = False  # with POST_PROCESS, still move a joint at the border in x along y, and
# vice versa (MMPose 1.x); False: along neither
DEFAULTS.TEST.DARK = False  # instead of POST_PROCESS, move joints to the peak of the Gaussian around the highest cell
DEFAULTS.TEST.USE_GT_BBOX = False  # test in the boxes of the ground truth; False: in those of COCO_BBOX_FILE
DEFAULTS.TEST.COCO_BBOX_FILE = ""  # detected boxes
DEFAULTS.TEST.IMAGE_THRE = 0.1  # minimum score of detected boxes
DEFAULTS.TEST.NMS_THRE = 1.0  # drop detected boxes of a frame that overlap more (IoU); 1: keep all
DEFAULTS.TEST.JOINT_SCORE = "heatmap_times_box"  # submitted score of a joint; heatmap: the value of its heatmap alone
DEFAULTS.TEST.OKS_NMS = False  # rescore people and drop duplicates for PoseTrack and OKS AP, where scores rank people;
# PCK and PCKh require one pose per person, so nobody is dropped there
DEFAULTS.TEST.RESCORE = False  # rescore people as OKS_NMS does, but drop nobody
DEFAULTS.TEST.SOFT_NMS = False  # soft variant of OKS_NMS
DEFAULTS.TEST.OKS_THRE = 0.5  # with OKS_NMS, OKS above which two people are duplicates
DEFAULTS.TEST.SIGMA_SCALE = 1.0  # factor for the sigmas of OKS in AP and OKS_NMS
DEFAULTS.TEST.IN_VIS_THRE = 0.0  # only joints with a higher score are used for rescoring
DEFAULTS.TEST.MODEL_FILE = ""  # weights; '': final_state.pth in the output folder

DEFAULTS.DEBUG = CN()
DEFAULTS.DEBUG.DEBUG = False  # draw some batches to the output folder; the four keys below select the images
DEFAULTS.DEBUG.SAVE_BATCH_IMAGES_GT = True  # crops with labels
DEFAULTS.DEBUG.SAVE_BATCH_IMAGES_PRED = True  # crops with estimates
DEFAULTS.DEBUG.SAVE_HEATMAPS_GT = True  # target heatmaps
DEFAULTS.DEBUG.SAVE_HEATMAPS_PRED = True  # estimated heatmaps

PATHS = (
    "DATASET.ROOT",
    "DATASET.ANNOTATION_DIR",
    "DATASET.IMAGE_DIR",
    "DATASET.GT_DIR",
    "MODEL.PRETRAINED",
    "TEST.MODEL_FILE",
    "TEST.COCO_BBOX_FILE",
)
"""Keys with paths that DATA_DIR is prepended to if they are relative."""

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
"""Keys of DATASET that are set for each data set. Keys missing from a mapping in DATASET.ALSO have their defaults."""
