// Sizes of one deformable convolution and bilinear sampling, shared by the CPU and the CUDA kernels.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/macros/Macros.h>

namespace posewarper {

struct Geometry {
  int64_t batch, in_channels, height, width;
  int64_t out_channels, out_height, out_width;
  int64_t kernel_width, taps;
  int64_t stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
  int64_t in_per_group, out_per_group;
  int64_t offset_groups, in_per_offset_group;

  C10_HOST_DEVICE int64_t pixels() const { return height * width; }
  C10_HOST_DEVICE int64_t positions() const { return out_height * out_width; }
};

// The shapes were checked by the Python function.
inline Geometry make_geometry(
    const at::Tensor& input, const at::Tensor& offset, const at::Tensor& weight,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation) {
  Geometry g;
  g.batch = input.size(0);
  g.in_channels = input.size(1);
  g.height = input.size(2);
  g.width = input.size(3);
  g.out_channels = weight.size(0);
  g.out_height = offset.size(2);
  g.out_width = offset.size(3);
  g.kernel_width = weight.size(3);
  g.taps = weight.size(2) * weight.size(3);
  g.stride_y = stride[0];
  g.stride_x = stride[1];
  g.padding_y = padding[0];
  g.padding_x = padding[1];
  g.dilation_y = dilation[0];
  g.dilation_x = dilation[1];
  g.in_per_group = weight.size(1);
  g.out_per_group = g.out_channels / (g.in_channels / g.in_per_group);
  g.offset_groups = offset.size(1) / (2 * g.taps);
  g.in_per_offset_group = g.in_channels / g.offset_groups;
  return g;
}

// A sampling point: the pixel above and to the left of it, and how far it lies below and to the right of that pixel.
template <typename T>
struct Point {
  int64_t y, x;
  T fy, fx;
};

// The values of the four pixels around a point; a pixel outside the image is zero.
template <typename T>
struct Corners {
  T top_left, top_right, bottom_left, bottom_right;
};

template <typename T>
C10_HOST_DEVICE inline int64_t floor_to_int(T value) {
  const int64_t truncated = static_cast<int64_t>(value); // much faster than floor() on the CPU
  return truncated - (value < T(truncated));
}

// A point that touches no pixel (far outside, or NaN) lands below the image, so that it is never cast to an integer.
template <typename T>
C10_HOST_DEVICE inline Point<T> make_point(const Geometry& g, T y, T x) {
  if (!(y >= T(-1) && y < T(g.height) && x >= T(-1) && x < T(g.width))) {
    return {g.height, g.width, T(0), T(0)};
  }
  const int64_t top = floor_to_int(y), left = floor_to_int(x);
  return {top, left, y - T(top), x - T(left)};
}

// Where tap `tap` looks for output cell (out_y, out_x), shifted by its offset.
template <typename T>
C10_HOST_DEVICE inline Point<T> tap_point(
    const Geometry& g, int64_t tap, int64_t out_y, int64_t out_x, T delta_y, T delta_x) {
  const int64_t y = out_y * g.stride_y - g.padding_y + tap / g.kernel_width * g.dilation_y;
  const int64_t x = out_x * g.stride_x - g.padding_x + tap % g.kernel_width * g.dilation_x;
  return make_point(g, T(y) + delta_y, T(x) + delta_x);
}

template <typename T, typename scalar_t>
C10_HOST_DEVICE inline T pixel(const Geometry& g, const scalar_t* plane, int64_t y, int64_t x) {
  const bool inside = y >= 0 && y < g.height && x >= 0 && x < g.width;
  return inside ? static_cast<T>(plane[y * g.width + x]) : T(0);
}

template <typename T, typename scalar_t>
C10_HOST_DEVICE inline Corners<T> read_corners(const Geometry& g, const scalar_t* plane, const Point<T>& p) {
  return {
      pixel<T>(g, plane, p.y, p.x), pixel<T>(g, plane, p.y, p.x + 1),
      pixel<T>(g, plane, p.y + 1, p.x), pixel<T>(g, plane, p.y + 1, p.x + 1)};
}

template <typename T>
C10_HOST_DEVICE inline T interpolate(const Corners<T>& v, const Point<T>& p) {
  return (1 - p.fy) * ((1 - p.fx) * v.top_left + p.fx * v.top_right) +
      p.fy * ((1 - p.fx) * v.bottom_left + p.fx * v.bottom_right);
}

template <typename T>
C10_HOST_DEVICE inline T slope_y(const Corners<T>& v, const Point<T>& p) {
  return (1 - p.fx) * (v.bottom_left - v.top_left) + p.fx * (v.bottom_right - v.top_right);
}

template <typename T>
C10_HOST_DEVICE inline T slope_x(const Corners<T>& v, const Point<T>& p) {
  return (1 - p.fy) * (v.top_right - v.top_left) + p.fy * (v.bottom_right - v.bottom_left);
}

// Calls add(index of the pixel, bilinear weight) for each of the four pixels that lie in the image.
template <typename T, typename Add>
C10_HOST_DEVICE inline void spread(const Geometry& g, const Point<T>& p, const Add& add) {
  for (int64_t dy = 0; dy < 2; ++dy) {
    for (int64_t dx = 0; dx < 2; ++dx) {
      const int64_t y = p.y + dy, x = p.x + dx;
      if (y >= 0 && y < g.height && x >= 0 && x < g.width) {
        add(y * g.width + x, (dy ? p.fy : 1 - p.fy) * (dx ? p.fx : 1 - p.fx));
      }
    }
  }
}

} // namespace posewarper
