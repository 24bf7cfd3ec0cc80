// Deformable convolution on an NVIDIA GPU: sampling and product in one kernel, without a buffer of columns.
//
// Memory traffic is dominated by the offsets (18 numbers per channel and cell, read once) and their gradients (written
// once), so offsets are read for several cells at a time. Half types are loaded directly and summed in float32. The
// gradient of the input is summed with atomics, so its last bits may differ between runs; other results are
// deterministic.
#include <ATen/Context.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <tuple>

#include "geometry.h"
#include "sampling.cuh"

namespace posewarper {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kTile = 20; // output channels per thread, in registers: enough for 17 joints, in 16-byte loads
constexpr int kRows = 128; // rows of weights (input channels times taps) in shared memory at a time
constexpr int kTaps = 3; // taps whose weight gradients one thread sums
constexpr int64_t kFewCells = 1 << 18; // below this, each thread computes one cell, so there are enough threads

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

template <typename scalar_t, int V>
struct alignas(sizeof(scalar_t) * V) Pack {
  scalar_t values[V];
};

// Each thread computes V neighboring output cells for kTile output channels of one weight group.
template <typename scalar_t, typename acc_t, int V>
__global__ void __launch_bounds__(kThreads, 2) forward_kernel(
    Geometry g, unsigned cell_blocks, int tiles, const scalar_t* __restrict__ input,
    const scalar_t* __restrict__ offset, const scalar_t* __restrict__ weight, scalar_t* __restrict__ output) {
  __shared__ alignas(16) acc_t shared_weight[kRows][kTile];
  const int64_t cell = (int64_t(blockIdx.x % cell_blocks) * kThreads + threadIdx.x) * V;
  const int group = blockIdx.x / cell_blocks / tiles, tile = blockIdx.x / cell_blocks % tiles;
  const bool active = cell < g.batch * g.positions();
  const int64_t n = active ? cell / g.positions() : 0;
  const int position = active ? cell % g.positions() : 0;
  const int first_out = group * g.out_per_group + tile * kTile;
  const int count = min(int(g.out_per_group) - tile * kTile, kTile);
  const int depth = g.in_per_group * g.taps, taps = g.taps;
  const int64_t positions = g.positions();

  Place<acc_t> base[V];
  acc_t sums[V][kTile] = {};
#pragma unroll
  for (int v = 0; v < V; ++v) {
    base[v] = place_of<acc_t>(g, position + v);
  }
  for (int first_row = 0; first_row < depth; first_row += kRows) {
    const int rows = min(depth - first_row, kRows);
    __syncthreads();
    for (int i = threadIdx.x; i < rows * kTile; i += kThreads) {
      const int row = i / kTile, o = i % kTile;
      shared_weight[row][o] =
          o < count ? static_cast<acc_t>(weight[int64_t(first_out + o) * depth + first_row + row]) : acc_t(0);
    }
    __syncthreads();
    if (!active) {
      continue;
    }
    for (int row = 0; row < rows; ++row) {
      const int c = group * int(g.in_per_group) + (first_row + row) / taps, tap = (first_row + row) % taps;
      const int64_t pair = (n * g.offset_groups + c / int(g.in_per_offset_group)) * taps + tap;
      const scalar_t* delta = offset + 2 * pair * positions + position;
      const auto delta_y = *reinterpret_cast<const Pack<scalar_t, V>*>(delta);
      const auto delta_x = *reinterpret_cast<const Pack<scalar_t, V>*>(delta + positions);
      const scalar_t* plane = input + (n * g.in_channels + c) * g.pixels();
      acc_t values[V];
#pragma unroll
      for (int v = 0; v < V; ++v) {
        const Point<acc_t> p = tap_point(
            g, base[v], tap, static_cast<acc_t>(delta_y.values[v]), static_cast<acc_t>(delta_x.values[v]));
        values[v] = interpolate(read_corners<acc_t>(g, plane, p), p);
      }
      const auto* weights = reinterpret_cast<const Pack<acc_t, 16 / sizeof(acc_t)>*>(shared_weight[row]);
#pragma unroll
      for (int o = 0; o < kTile; ++o) {
        const acc_t w = weights[o / (16 / sizeof(acc_t))].values[o % (16 / sizeof(acc_t))];
#pragma unroll
        for (int v = 0; v < V; ++v) {
          sums[v][o] += w * values[v];
        }
      }
    }
  }
  if (!active) {
    return;
  }
#pragma unroll
  for (int o = 0; o < kTile; ++o) {
    if (o < count) {
      Pack<scalar_t, V> result;
#pragma unroll
      for (int v = 0; v < V; ++v) {
        result.values[v] = static_cast<scalar_t>(sums[v][o]);
      }
      *reinterpret_cast<Pack<scalar_t, V>*>(output + (n * g.out_channels + first_out + o) * positions + position) =
          result;
    }
  }
}

// Each thread processes one output cell and one offset group. No other thread writes to its offset gradients, which are
// accumulated over the channels of the group in grad_t.
template <typename scalar_t, typename acc_t, typename grad_t>
__global__ void __launch_bounds__(kThreads) backward_data_kernel(
    Geometry g, unsigned cell_blocks, const scalar_t* __restrict__ grad, const scalar_t* __restrict__ input,
    const scalar_t* __restrict__ offset, const scalar_t* __restrict__ weight, acc_t* __restrict__ grad_input,
    grad_t* __restrict__ grad_offset) {
  __shared__ alignas(16) acc_t shared_weight[kRows][kTile];
  const int64_t cell = int64_t(blockIdx.x % cell_blocks) * kThreads + threadIdx.x;
  const int offset_group = blockIdx.x / cell_blocks;
  const bool active = cell < g.batch * g.positions();
  const int64_t n = active ? cell / g.positions() : 0;
  const int position = active ? cell % g.positions() : 0;
  const int taps = g.taps, depth = g.in_per_group * g.taps;
  const int out_per_group = g.out_per_group, count = min(out_per_group, kTile);
  const int64_t positions = g.positions();
  const Place<acc_t> base = place_of<acc_t>(g, position);

  for (int i = 0; i < g.in_per_offset_group; ++i) {
    const int c = offset_group * int(g.in_per_offset_group) + i;
    const int first_out = c / int(g.in_per_group) * out_per_group;
    const scalar_t* channel_weight = weight + int64_t(first_out) * depth + c % int(g.in_per_group) * taps;
    const scalar_t* grad_out = grad + (n * g.out_channels + first_out) * positions + position;
    const int64_t plane = (n * g.in_channels + c) * g.pixels();
    acc_t grads[kTile];
#pragma unroll
    for (int o = 0; o < kTile; ++o) {
      grads[o] = active && o < count ? static_cast<acc_t>(grad_out[o * positions]) : acc_t(0);
    }
    for (int first_tap = 0; first_tap < taps; first_tap += kRows) {
      const int rows = min(taps - first_tap, kRows);
      __syncthreads();
      for (int k = threadIdx.x; k < rows * kTile; k += kThreads) {
        const int row = k / kTile, o = k % kTile;
        shared_weight[row][o] =
            o < count ? static_cast<acc_t>(channel_weight[int64_t(o) * depth + first_tap + row]) : acc_t(0);
      }
      __syncthreads();
      if (!active) {
        continue;
      }
      for (int row = 0; row < rows; ++row) {
        const int tap = first_tap + row;
        const auto* weights = reinterpret_cast<const Pack<acc_t, 16 / sizeof(acc_t)>*>(shared_weight[row]);
        acc_t grad_sample = 0;
#pragma unroll
        for (int o = 0; o < kTile; ++o) {
          grad_sample += weights[o / (16 / sizeof(acc_t))].values[o % (16 / sizeof(acc_t))] * grads[o];
        }
        for (int o = kTile; o < out_per_group; ++o) {
          grad_sample +=
              static_cast<acc_t>(channel_weight[int64_t(o) * depth + tap]) * static_cast<acc_t>(grad_out[o * positions]);
        }
        const int64_t delta = 2 * ((n * g.offset_groups + offset_group) * taps + tap) * positions + position;
        const Point<acc_t> p = tap_point(
            g, base, tap, static_cast<acc_t>(offset[delta]), static_cast<acc_t>(offset[delta + positions]));
        const Corners<acc_t> v = read_corners<acc_t>(g, input + plane, p);
        acc_t grad_y = (1 - p.fx) * (v.bottom_left - v.top_left) + p.fx * (v.bottom_right - v.top_right);
        acc_t grad_x = (1 - p.fy) * (v.top_right - v.top_left) + p.fy * (v.bottom_right - v.bottom_left);
        grad_y *= grad_sample;
        grad_x *= grad_sample;
        if (i > 0) {
          grad_y += static_cast<acc_t>(grad_offset[delta]);
          grad_x += static_cast<acc_t>(grad_offset[delta + positions]);
        }
        grad_offset[delta] = static_cast<grad_t>(grad_y);
        grad_offset[delta + positions] = static_cast<grad_t>(grad_x);
        spread(g, grad_input + plane, p, grad_sample);
      }
    }
  }
}

// Each block processes kTaps taps of one input channel (x), kTile output channels of its weight group (y), and one part
// of the cells of all images (z). Its threads divide the cells, and their sums are added in a fixed order to a gradient
// of this part.
template <typename scalar_t, typename acc_t>
__global__ void __launch_bounds__(kThreads) backward_weight_kernel(
    Geometry g, int64_t part, const scalar_t* __restrict__ grad, const scalar_t* __restrict__ input,
    const scalar_t* __restrict__ offset, acc_t* __restrict__ partial) {
  const int taps = g.taps, tap_blocks = (taps + kTaps - 1) / kTaps;
  const int c = blockIdx.x / tap_blocks, first_tap = blockIdx.x % tap_blocks * kTaps;
  const int tap_count = min(taps - first_tap, kTaps);
  const int first_out = c / int(g.in_per_group) * int(g.out_per_group) + int(blockIdx.y) * kTile;
  const int count = min(int(g.out_per_group) - int(blockIdx.y) * kTile, kTile);
  const int64_t positions = g.positions();
  const int64_t end = min((int64_t(blockIdx.z) + 1) * part, g.batch * positions);

  acc_t sums[kTaps][kTile] = {};
  for (int64_t cell = blockIdx.z * part + threadIdx.x; cell < end; cell += kThreads) {
    const int64_t n = cell / positions;
    const int position = cell - n * positions;
    const Place<acc_t> base = place_of<acc_t>(g, position);
    const scalar_t* plane = input + (n * g.in_channels + c) * g.pixels();
    const int64_t pair = (n * g.offset_groups + c / int(g.in_per_offset_group)) * taps + first_tap;
    const scalar_t* delta = offset + 2 * pair * positions + position;
    acc_t values[kTaps];
#pragma unroll
    for (int t = 0; t < kTaps; ++t) {
      values[t] = 0;
      if (t < tap_count) {
        const Point<acc_t> p = tap_point(
            g, base, first_tap + t, static_cast<acc_t>(delta[2 * t * positions]),
            static_cast<acc_t>(delta[(2 * t + 1) * positions]));
        values[t] = interpolate(read_corners<acc_t>(g, plane, p), p);
      }
    }
    const scalar_t* grad_out = grad + (n * g.out_channels + first_out) * positions + position;
#pragma unroll
    for (int o = 0; o < kTile; ++o) {
      if (o < count) {
        const acc_t grad_value = static_cast<acc_t>(grad_out[o * positions]);
#pragma unroll
        for (int t = 0; t < kTaps; ++t) {
          sums[t][o] += grad_value * values[t];
        }
      }
    }
  }

  __shared__ acc_t of_warp[kWarps][kTaps][kTile];
#pragma unroll
  for (int t = 0; t < kTaps; ++t) {
#pragma unroll
    for (int o = 0; o < kTile; ++o) {
      for (int lanes = 16; lanes > 0; lanes /= 2) {
        sums[t][o] += __shfl_down_sync(0xffffffffu, sums[t][o], lanes);
      }
      if (threadIdx.x % 32 == 0) {
        of_warp[threadIdx.x / 32][t][o] = sums[t][o];
      }
    }
  }
  __syncthreads();
  const int t = threadIdx.x / kTile, o = threadIdx.x % kTile;
  if (t < tap_count && o < count) {
    acc_t sum = 0;
    for (int warp = 0; warp < kWarps; ++warp) {
      sum += of_warp[warp][t][o];
    }
    const int64_t weights = g.out_channels * g.in_per_group * taps;
    const int64_t row = int64_t(first_out + o) * g.in_per_group + c % int(g.in_per_group);
    partial[blockIdx.z * weights + row * taps + first_tap + t] = sum;
  }
}

// The kernels use int indices within an image and within the weights of an output channel.
Geometry checked_geometry(
    const at::Tensor& input, const at::Tensor& offset, const at::Tensor& weight, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation) {
  const Geometry g = make_geometry(input, offset, weight, stride, padding, dilation);
  constexpr int64_t most = std::numeric_limits<int32_t>::max();
  TORCH_CHECK_VALUE(
      std::max(g.pixels(), g.positions()) < most && std::max(g.height, g.width) < 1 << 24,
      "deform_conv2d: an image of ", g.height, " x ", g.width, " pixels is too large for CUDA");
  TORCH_CHECK_VALUE(
      g.in_per_group * g.taps < most && ceil_div(g.out_per_group, kTile) < 1 << 16,
      "deform_conv2d: too many weights for CUDA");
  return g;
}

unsigned grid_size(int64_t blocks) {
  TORCH_CHECK_VALUE(blocks <= std::numeric_limits<int32_t>::max(), "deform_conv2d: too large a batch for CUDA");
  return static_cast<unsigned>(blocks);
}

bool is_aligned(const at::Tensor& tensor, int64_t bytes) {
  return reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % bytes == 0;
}

template <typename scalar_t, typename acc_t, int V>
void launch_forward(
    const Geometry& g, const at::Tensor& input, const at::Tensor& offset, const at::Tensor& weight,
    at::Tensor& output) {
  const int64_t cell_blocks = ceil_div(g.batch * g.positions(), kThreads * V);
  const int64_t tiles = ceil_div(g.out_per_group, kTile), groups = g.in_channels / g.in_per_group;
  forward_kernel<scalar_t, acc_t, V>
      <<<grid_size(cell_blocks * tiles * groups), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
          g, static_cast<unsigned>(cell_blocks), static_cast<int>(tiles), input.const_data_ptr<scalar_t>(),
          offset.const_data_ptr<scalar_t>(), weight.const_data_ptr<scalar_t>(), output.mutable_data_ptr<scalar_t>());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

at::Tensor deform_conv2d_cuda(
    const at::Tensor& input_, const at::Tensor& offset_, const at::Tensor& weight_, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation) {
  const c10::cuda::CUDAGuard guard(input_.device());
  const Geometry g = checked_geometry(input_, offset_, weight_, stride, padding, dilation);
  const at::Tensor input = input_.contiguous(), offset = offset_.contiguous(), weight = weight_.contiguous();
  at::Tensor output = at::empty({g.batch, g.out_channels, g.out_height, g.out_width}, input.options());
  if (g.batch == 0) {
    return output;
  }
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, input.scalar_type(), "deform_conv2d", [&] {
    using acc_t = at::opmath_type<scalar_t>;
    constexpr int V = sizeof(acc_t) == 4 ? 4 : 1;
    const bool many = g.batch * g.positions() >= kFewCells;
    if (many && g.positions() % V == 0 && is_aligned(offset, V * sizeof(scalar_t))) {
      launch_forward<scalar_t, acc_t, V>(g, input, offset, weight, output);
    } else {
      launch_forward<scalar_t, acc_t, 1>(g, input, offset, weight, output);
    }
  });
  return output;
}

template <typename scalar_t, typename acc_t, typename grad_t>
void launch_backward_data(
    const Geometry& g, const at::Tensor& grad, const at::Tensor& input, const at::Tensor& offset,
    const at::Tensor& weight, at::Tensor& grad_input, at::Tensor& grad_offset) {
  const int64_t cell_blocks = ceil_div(g.batch * g.positions(), kThreads);
  backward_data_kernel<scalar_t, acc_t, grad_t>
      <<<grid_size(cell_blocks * g.offset_groups), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
          g, static_cast<unsigned>(cell_blocks), grad.const_data_ptr<scalar_t>(), input.const_data_ptr<scalar_t>(),
          offset.const_data_ptr<scalar_t>(), weight.const_data_ptr<scalar_t>(), grad_input.mutable_data_ptr<acc_t>(),
          grad_offset.mutable_data_ptr<grad_t>());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> deform_conv2d_backward_cuda(
    const at::Tensor& grad_, const at::Tensor& input_, const at::Tensor& offset_, const at::Tensor& weight_,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation) {
  at::globalContext().alertNotDeterministic("deform_conv2d_backward_cuda");
  const c10::cuda::CUDAGuard guard(input_.device());
  const Geometry g = checked_geometry(input_, offset_, weight_, stride, padding, dilation);
  const at::Tensor grad = grad_.contiguous(), input = input_.contiguous(), offset = offset_.contiguous(),
                   weight = weight_.contiguous();
  if (g.batch == 0) {
    return {at::zeros_like(input), at::empty_like(offset), at::zeros_like(weight)};
  }
  const at::ScalarType dtype = input.scalar_type(), acc_dtype = at::toOpMathType(dtype);
  const bool is_summed = g.in_per_offset_group > 1;
  at::Tensor grad_input = at::zeros_like(input, input.options().dtype(acc_dtype));
  at::Tensor grad_offset = at::empty_like(offset, offset.options().dtype(is_summed ? acc_dtype : dtype));
  const int64_t cells = g.batch * g.positions(), weights = g.out_channels * g.in_per_group * g.taps;
  const int64_t most_parts = std::clamp<int64_t>((int64_t(1) << 24) / weights, 1, 64);
  const int64_t part = ceil_div(cells, std::clamp<int64_t>(cells / 4096, 1, most_parts));
  const int64_t parts = ceil_div(cells, part);
  at::Tensor partial = at::empty({parts, g.out_channels, g.in_per_group, weight.size(2), weight.size(3)},
                                 weight.options().dtype(acc_dtype));
  const dim3 weight_blocks(
      grid_size(g.in_channels * ceil_div(g.taps, kTaps)), static_cast<unsigned>(ceil_div(g.out_per_group, kTile)),
      static_cast<unsigned>(parts));
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, dtype, "deform_conv2d_backward", [&] {
    using acc_t = at::opmath_type<scalar_t>;
    if (is_summed) {
      launch_backward_data<scalar_t, acc_t, acc_t>(g, grad, input, offset, weight, grad_input, grad_offset);
    } else {
      launch_backward_data<scalar_t, acc_t, scalar_t>(g, grad, input, offset, weight, grad_input, grad_offset);
    }
    backward_weight_kernel<scalar_t, acc_t>
        <<<weight_blocks, kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
            g, part, grad.const_data_ptr<scalar_t>(), input.const_data_ptr<scalar_t>(),
            offset.const_data_ptr<scalar_t>(), partial.mutable_data_ptr<acc_t>());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return {grad_input.to(dtype), grad_offset.to(dtype), partial.sum(0).to(dtype)};
}

} // namespace

TORCH_LIBRARY_IMPL(posewarper, CUDA, library) {
  library.impl("deform_conv2d", TORCH_FN(deform_conv2d_cuda));
  library.impl("deform_conv2d_backward", TORCH_FN(deform_conv2d_backward_cuda));
}

} // namespace posewarper
