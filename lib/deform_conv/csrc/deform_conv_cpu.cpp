// Deformable convolution on the CPU. Every sum is taken in an order that does not depend on the number of threads.
// Half types are computed in float32.
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "geometry.h"

namespace posewarper {
namespace {

template <typename T>
void add_scaled(T* sum, T factor, const T* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    sum[i] += factor * values[i];
  }
}

template <typename T>
T dot(const T* a, const T* b, int64_t count) {
  constexpr int64_t lanes = 16; // independent sums, so that the compiler may use vectors
  std::array<T, lanes> sums{};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      sums[lane] += a[i + lane] * b[i + lane];
    }
  }
  T total = 0;
  for (; i < count; ++i) {
    total += a[i] * b[i];
  }
  for (const T sum : sums) {
    total += sum;
  }
  return total;
}

// The samples of one output row: columns (in_channels, taps, out_width).
template <typename T>
void sample_row(const Geometry& g, const T* input, const T* offset, int64_t out_y, T* columns) {
  for (int64_t c = 0; c < g.in_channels; ++c) {
    const T* plane = input + c * g.pixels();
    for (int64_t tap = 0; tap < g.taps; ++tap) {
      const int64_t pair = c / g.in_per_offset_group * g.taps + tap;
      const T* delta_y = offset + 2 * pair * g.positions() + out_y * g.out_width;
      const T* delta_x = delta_y + g.positions();
      T* column = columns + (c * g.taps + tap) * g.out_width;
      for (int64_t x = 0; x < g.out_width; ++x) {
        const Point<T> p = tap_point(g, tap, out_y, x, delta_y[x], delta_x[x]);
        column[x] = interpolate(read_corners(g, plane, p), p);
      }
    }
  }
}

template <typename T>
void forward(const Geometry& g, const T* input, const T* offset, const T* weight, T* output) {
  const int64_t depth = g.in_per_group * g.taps;
  at::parallel_for(0, g.batch * g.out_height, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> columns(g.in_channels * g.taps * g.out_width);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / g.out_height, out_y = task % g.out_height;
      sample_row(
          g, input + n * g.in_channels * g.pixels(),
          offset + n * g.offset_groups * 2 * g.taps * g.positions(), out_y, columns.data());
      for (int64_t o = 0; o < g.out_channels; ++o) {
        T* row = output + ((n * g.out_channels + o) * g.out_height + out_y) * g.out_width;
        const T* column = columns.data() + o / g.out_per_group * depth * g.out_width;
        std::fill_n(row, g.out_width, T(0));
        for (int64_t k = 0; k < depth; ++k) {
          add_scaled(row, weight[o * depth + k], column + k * g.out_width, g.out_width);
        }
      }
    }
  });
}

// One input channel seen through one tap. From the gradient of its samples: adds to the gradients of the channel
// (grad_plane) and of the offsets (grad_delta: Δy, then Δx), and gives the samples themselves.
template <typename T>
void backward_tap(
    const Geometry& g, int64_t tap, const T* plane, const T* delta, const T* grad_column,
    T* grad_plane, T* grad_delta, T* column) {
  for (int64_t out_y = 0, i = 0; out_y < g.out_height; ++out_y) {
    for (int64_t out_x = 0; out_x < g.out_width; ++out_x, ++i) {
      const Point<T> p = tap_point(g, tap, out_y, out_x, delta[i], delta[g.positions() + i]);
      const Corners<T> v = read_corners(g, plane, p);
      column[i] = interpolate(v, p);
      grad_delta[i] += grad_column[i] * slope_y(v, p);
      grad_delta[g.positions() + i] += grad_column[i] * slope_x(v, p);
      spread(g, p, [&](int64_t index, T share) { grad_plane[index] += share * grad_column[i]; });
    }
  }
}

// One image and one offset group: no other task writes to its part of the three gradients.
// grad_weight is that of this image alone.
template <typename T>
void backward_task(
    const Geometry& g, int64_t n, int64_t offset_group, const T* grad, const T* input, const T* offset,
    const T* weight, T* grad_input, T* grad_offset, T* grad_weight) {
  std::vector<T> column(g.positions()), grad_column(g.positions());
  for (int64_t i = 0; i < g.in_per_offset_group; ++i) {
    const int64_t c = offset_group * g.in_per_offset_group + i;
    const int64_t plane = (n * g.in_channels + c) * g.pixels();
    const int64_t first_out = c / g.in_per_group * g.out_per_group;
    const T* grad_out = grad + (n * g.out_channels + first_out) * g.positions();
    for (int64_t tap = 0; tap < g.taps; ++tap) {
      const int64_t delta = 2 * ((n * g.offset_groups + offset_group) * g.taps + tap) * g.positions();
      const auto weight_index = [&](int64_t o) {
        return ((first_out + o) * g.in_per_group + c % g.in_per_group) * g.taps + tap;
      };
      std::fill(grad_column.begin(), grad_column.end(), T(0));
      for (int64_t o = 0; o < g.out_per_group; ++o) {
        add_scaled(grad_column.data(), weight[weight_index(o)], grad_out + o * g.positions(), g.positions());
      }
      backward_tap(
          g, tap, input + plane, offset + delta, grad_column.data(), grad_input + plane, grad_offset + delta,
          column.data());
      for (int64_t o = 0; o < g.out_per_group; ++o) {
        grad_weight[weight_index(o)] = dot(grad_out + o * g.positions(), column.data(), g.positions());
      }
    }
  }
}

template <typename T>
void backward(
    const Geometry& g, const T* grad, const T* input, const T* offset, const T* weight, T* grad_input,
    T* grad_offset, T* grad_weight) {
  const int64_t weights = g.out_channels * g.in_per_group * g.taps;
  std::vector<T> per_image(g.batch * weights);
  at::parallel_for(0, g.batch * g.offset_groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / g.offset_groups;
      backward_task(
          g, n, task % g.offset_groups, grad, input, offset, weight, grad_input, grad_offset,
          per_image.data() + n * weights);
    }
  });
  for (int64_t n = 0; n < g.batch; ++n) {
    add_scaled(grad_weight, T(1), per_image.data() + n * weights, weights);
  }
}

// Contiguous, and in float32 if it is of a half type.
at::Tensor prepared(const at::Tensor& tensor) {
  return tensor.to(at::toOpMathType(tensor.scalar_type())).contiguous();
}

at::Tensor deform_conv2d_cpu(
    const at::Tensor& input_, const at::Tensor& offset_, const at::Tensor& weight_, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation) {
  const at::Tensor input = prepared(input_), offset = prepared(offset_), weight = prepared(weight_);
  const Geometry g = make_geometry(input, offset, weight, stride, padding, dilation);
  at::Tensor output = at::empty({g.batch, g.out_channels, g.out_height, g.out_width}, input.options());
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "deform_conv2d", [&] {
    forward<scalar_t>(
        g, input.const_data_ptr<scalar_t>(), offset.const_data_ptr<scalar_t>(),
        weight.const_data_ptr<scalar_t>(), output.mutable_data_ptr<scalar_t>());
  });
  return output.to(input_.scalar_type());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> deform_conv2d_backward_cpu(
    const at::Tensor& grad_, const at::Tensor& input_, const at::Tensor& offset_, const at::Tensor& weight_,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation) {
  const at::Tensor grad = prepared(grad_), input = prepared(input_), offset = prepared(offset_),
                   weight = prepared(weight_);
  const Geometry g = make_geometry(input, offset, weight, stride, padding, dilation);
  at::Tensor grad_input = at::zeros_like(input), grad_offset = at::zeros_like(offset),
             grad_weight = at::zeros_like(weight);
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "deform_conv2d_backward", [&] {
    backward<scalar_t>(
        g, grad.const_data_ptr<scalar_t>(), input.const_data_ptr<scalar_t>(), offset.const_data_ptr<scalar_t>(),
        weight.const_data_ptr<scalar_t>(), grad_input.mutable_data_ptr<scalar_t>(),
        grad_offset.mutable_data_ptr<scalar_t>(), grad_weight.mutable_data_ptr<scalar_t>());
  });
  const at::ScalarType dtype = input_.scalar_type();
  return {grad_input.to(dtype), grad_offset.to(dtype), grad_weight.to(dtype)};
}

} // namespace

TORCH_LIBRARY_IMPL(posewarper, CPU, library) {
  library.impl("deform_conv2d", TORCH_FN(deform_conv2d_cpu));
  library.impl("deform_conv2d_backward", TORCH_FN(deform_conv2d_backward_cpu));
}

} // namespace posewarper
