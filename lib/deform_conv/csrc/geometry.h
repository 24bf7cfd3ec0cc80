// Sizes of a deformable convolution, for the CPU and CUDA kernels.
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

// The Python function has checked the shapes.
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

} // namespace posewarper
