// Bilinear sampling and its gradient for the CUDA kernels.
#pragma once

#include "geometry.h"

namespace posewarper {
namespace {

// Pixel above and to the left of a sampling point, and vertical and horizontal distance of the point from that pixel.
template <typename T>
struct Point {
  int y, x;
  T fy, fx;
};

// Position in the image, in pixels.
template <typename T>
struct Place {
  T y, x;
};

// Values of the four pixels around a point; pixels outside the image are zero.
template <typename T>
struct Corners {
  T top_left, top_right, bottom_left, bottom_right;
};

// Points that touch no pixel (far outside, or NaN) are moved below the image, so they are never cast to integers.
template <typename T>
__device__ __forceinline__ Point<T> make_point(const Geometry& g, T y, T x) {
  if (!(y >= T(-1) && y < T(g.height) && x >= T(-1) && x < T(g.width))) {
    return {static_cast<int>(g.height), static_cast<int>(g.width), T(0), T(0)};
  }
  const T top = floor(y), left = floor(x);
  return {static_cast<int>(top), static_cast<int>(left), y - top, x - left};
}

// Returns the position of the first tap for an output cell, without its offset.
template <typename T>
__device__ __forceinline__ Place<T> place_of(const Geometry& g, int position) {
  const int out_width = g.out_width;
  return {T(position / out_width * g.stride_y - g.padding_y), T(position % out_width * g.stride_x - g.padding_x)};
}

// Returns the sampling point of a tap with its offset. base: position of the first tap.
template <typename T>
__device__ __forceinline__ Point<T> tap_point(const Geometry& g, const Place<T>& base, int tap, T delta_y, T delta_x) {
  const int kernel_width = g.kernel_width;
  return make_point(
      g, base.y + T(tap / kernel_width * int(g.dilation_y)) + delta_y,
      base.x + T(tap % kernel_width * int(g.dilation_x)) + delta_x);
}

template <typename T, typename scalar_t>
__device__ __forceinline__ Corners<T> read_corners(const Geometry& g, const scalar_t* plane, const Point<T>& p) {
  const int height = g.height, width = g.width;
  const bool top = p.y >= 0 && p.y < height, bottom = p.y + 1 < height;
  const bool left = p.x >= 0 && p.x < width, right = p.x + 1 < width;
  const scalar_t* corner = plane + (int64_t(p.y) * width + p.x);
  return {
      top && left ? static_cast<T>(__ldg(corner)) : T(0), top && right ? static_cast<T>(__ldg(corner + 1)) : T(0),
      bottom && left ? static_cast<T>(__ldg(corner + width)) : T(0),
      bottom && right ? static_cast<T>(__ldg(corner + width + 1)) : T(0)};
}

template <typename T>
__device__ __forceinline__ T interpolate(const Corners<T>& v, const Point<T>& p) {
  return (1 - p.fy) * ((1 - p.fx) * v.top_left + p.fx * v.top_right) +
      p.fy * ((1 - p.fx) * v.bottom_left + p.fx * v.bottom_right);
}

// Distributes the gradient of a sample to the pixels around it.
template <typename T>
__device__ __forceinline__ void spread(const Geometry& g, T* plane, const Point<T>& p, T grad) {
  const int height = g.height, width = g.width;
  const bool top = p.y >= 0 && p.y < height, bottom = p.y + 1 < height;
  const bool left = p.x >= 0 && p.x < width, right = p.x + 1 < width;
  T* corner = plane + (int64_t(p.y) * width + p.x);
  if (top && left) atomicAdd(corner, grad * (1 - p.fy) * (1 - p.fx));
  if (top && right) atomicAdd(corner + 1, grad * (1 - p.fy) * p.fx);
  if (bottom && left) atomicAdd(corner + width, grad * p.fy * (1 - p.fx));
  if (bottom && right) atomicAdd(corner + width + 1, grad * p.fy * p.fx);
}

} // namespace
} // namespace posewarper
