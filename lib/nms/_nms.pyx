# cython: boundscheck=False, wraparound=False, cdivision=True
"""The loops of the NMS in C. lib.nms.reference computes the same; lib.nms.suppression checks the arguments."""

from libc.math cimport exp

import numpy as np


cdef double EPSILON = np.spacing(1.0)
cdef double NEGLIGIBLE = 40  # exp(-40) = 4e-18 is lost in the rounding of an OKS: most joints need no exp()


cdef inline double box_iou(const double* a, const double* b) noexcept nogil:
    cdef double width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    cdef double height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0
    cdef double area_a = (a[2] - a[0] + 1) * (a[3] - a[1] + 1)
    cdef double area_b = (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
    return width * height / (area_a + area_b - width * height)


cdef inline double joint_similarity(const double* a, const double* b, double scale) noexcept nogil:
    cdef double dx = a[0] - b[0], dy = a[1] - b[1]
    cdef double exponent = (dx * dx + dy * dy) * scale
    return exp(-exponent) if exponent < NEGLIGIBLE else 0


cdef inline double oks(
    const double* a, const double* b, double area_a, double area_b, const double* falloff, Py_ssize_t joints,
    double enough
) noexcept nogil:
    """Return the OKS of two poses, or 0 once it can no longer exceed `enough`."""
    cdef Py_ssize_t joint
    cdef double total = 0, per_area = 1 / ((area_a + area_b) / 2 + EPSILON)
    # slightly lower than requested, so that rounding never rejects a pose that the full sum would accept
    cdef double limit = (enough - 1e-9) * joints
    for joint in range(joints):
        total += joint_similarity(a + 2 * joint, b + 2 * joint, falloff[joint] * per_area)
        if total + (joints - 1 - joint) < limit:
            return 0
    return total / joints


def nms(const double[:, ::1] boxes, const Py_ssize_t[::1] order, double thresh):
    cdef Py_ssize_t count = order.shape[0], i, j
    cdef unsigned char[::1] dropped = np.zeros(count, np.uint8)
    keep = []
    for i in range(count):
        if dropped[i]:
            continue
        keep.append(order[i])
        for j in range(i + 1, count):
            if not dropped[j] and box_iou(&boxes[order[i], 0], &boxes[order[j], 0]) > thresh:
                dropped[j] = True
    return keep


def oks_iou(
    const double[:, ::1] pose, const double[:, :, ::1] poses, double area, const double[::1] areas,
    const double[::1] falloff
):
    cdef Py_ssize_t joints = falloff.shape[0], i
    cdef double[::1] result = np.empty(poses.shape[0])
    for i in range(poses.shape[0]):
        result[i] = oks(&pose[0, 0], &poses[i, 0, 0], area, areas[i], &falloff[0], joints, 0)
    return np.asarray(result)


def oks_nms(
    const double[:, :, ::1] poses, const Py_ssize_t[::1] order, const double[::1] areas,
    const double[::1] falloff, double thresh
):
    cdef Py_ssize_t count = order.shape[0], joints = falloff.shape[0], i, j, a, b
    cdef unsigned char[::1] dropped = np.zeros(count, np.uint8)
    keep = []
    for i in range(count):
        if dropped[i]:
            continue
        a = order[i]
        keep.append(a)
        for j in range(i + 1, count):
            if dropped[j]:
                continue
            b = order[j]
            if oks(&poses[a, 0, 0], &poses[b, 0, 0], areas[a], areas[b], &falloff[0], joints, thresh) > thresh:
                dropped[j] = True
    return keep


def soft_oks_nms(
    const double[:, :, ::1] poses, double[::1] scores, const double[::1] areas, const double[::1] falloff,
    double thresh, Py_ssize_t max_dets
):
    """Choose poses as soft NMS does. Modifies `scores`."""
    cdef Py_ssize_t count = scores.shape[0], joints = falloff.shape[0], i, best
    cdef unsigned char[::1] chosen = np.zeros(count, np.uint8)
    cdef double similarity
    keep = []
    while len(keep) < min(count, max_dets):
        best = -1
        for i in range(count):
            if not chosen[i] and (best < 0 or scores[i] > scores[best]):
                best = i
        chosen[best] = True
        keep.append(best)
        for i in range(count):
            if not chosen[i]:
                similarity = oks(&poses[best, 0, 0], &poses[i, 0, 0], areas[best], areas[i], &falloff[0], joints, 0)
                scores[i] *= exp(-similarity * similarity / thresh)
    return keep
