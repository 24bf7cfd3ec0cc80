// Deformable convolution on an NVIDIA GPU: direct kernels without a buffer of columns.
// Half types are read as they are and summed in float32. The gradient of the input is summed with atomics, so that
// its last bits may differ from run to run; the other results do not.
#include <ATen/Context.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <algorithm>
#include <tuple>

#include "geometry.h"

namespace posewarper {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kTile = 32; // output channels that one thread sums in registers
constexpr int64_t kMaxBlocks = 1 << 16; // the kernels walk on from there

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

unsigned blocks_for(int64_t threads) {
  return static_cast<unsigned>(std::min(ceil_div(threads, kThreads), kMaxBlocks));
}

// One thread: one output cell of one image, kTile output channels of one weight group.
template <typename scalar_t, typename acc_t>
__global__ void __launch_bounds__(kThreads) forward_kernel(
    Geometry g, int64_t tiles, int64_t total, const scalar_t* __restrict__ input,
    const scalar_t* __restrict__ offset, const scalar_t* __restrict__ weight, scalar_t* __restrict__ output) {
  const int64_t step = int64_t(gridDim.x) * kThreads;
  for (int64_t task = int64_t(blockIdx.x) * kThreads + threadIdx.x; task < total; task += step) {
    const int64_t position = task % g.positions();
    const int64_t tile = task / g.positions() % tiles;
    const int64_t group = task / (g.positions() * tiles) % (g.in_channels / g.in_per_group);
    const int64_t n = task / (g.positions() * tiles * (g.in_channels / g.in_per_group));
    const int64_t first_out = group * g.out_per_group + tile * kTile;
    const int64_t count = min(int64_t(kTile), g.out_per_group - tile * kTile);

    acc_t sums[kTile] = {};
    for (int64_t i = 0; i < g.in_per_group; ++i) {
      const int64_t c = group * g.in_per_group + i;
      const scalar_t* plane = input + (n * g.in_channels + c) * g.pixels();
      const int64_t pairs = (n * g.offset_groups + c / g.in_per_offset_group) * g.taps;
      for (int64_t tap = 0; tap < g.taps; ++tap) {
        const scalar_t* delta = offset + 2 * (pairs + tap) * g.positions() + position;
        const Point<acc_t> p = tap_point(
            g, tap, position / g.out_width, position % g.out_width, static_cast<acc_t>(delta[0]),
            static_cast<acc_t>(delta[g.positions()]));
        const acc_t value = interpolate(read_corners(g, plane, p), p);
        const scalar_t* w = weight + (first_out * g.in_per_group + i) * g.taps + tap;
#pragma unroll
        for (int o = 0; o < kTile; ++o) {
          if (o < count) {
            sums[o] += static_cast<acc_t>(w[o * g.in_per_group * g.taps]) * value;
          }
        }
      }
    }
#pragma unroll
    for (int o = 0; o < kTile; ++o) {
      if (o < count) {
        output[(n * g.out_channels + first_out + o) * g.positions() + position] = static_cast<scalar_t>(sums[o]);
      }
    }
  }
}

// One thread: one tap of one offset group at one output cell. It alone writes that offset's gradient.
template <typename scalar_t, typename acc_t>
__global__ void __launch_bounds__(kThreads) backward_data_kernel(
    Geometry g, int64_t total, const scalar_t* __restrict__ grad, const scalar_t* __restrict__ input,
    const scalar_t* __restrict__ offset, const scalar_t* __restrict__ weight, acc_t* __restrict__ grad_input,
    scalar_t* __restrict__ grad_offset) {
  const int64_t step = int64_t(gridDim.x) * kThreads;
  for (int64_t task = int64_t(blockIdx.x) * kThreads + threadIdx.x; task < total; task += step) {
    const int64_t position = task % g.positions();
    const int64_t tap = task / g.positions() % g.taps;
    const int64_t offset_group = task / (g.positions() * g.taps) % g.offset_groups;
    const int64_t n = task / (g.positions() * g.taps * g.offset_groups);
    const int64_t delta = 2 * (task / g.positions()) * g.positions() + position;
    const Point<acc_t> p = tap_point(
        g, tap, position / g.out_width, position % g.out_width, static_cast<acc_t>(offset[delta]),
        static_cast<acc_t>(offset[delta + g.positions()]));

    acc_t grad_y = 0, grad_x = 0;
    for (int64_t i = 0; i < g.in_per_offset_group; ++i) {
      const int64_t c = offset_group * g.in_per_offset_group + i;
      const int64_t first_out = c / g.in_per_group * g.out_per_group;
      const scalar_t* grad_out = grad + (n * g.out_channels + first_out) * g.positions() + position;
      const scalar_t* w = weight + (first_out * g.in_per_group + c % g.in_per_group) * g.taps + tap;
      acc_t grad_sample = 0;
      for (int64_t o = 0; o < g.out_per_group; ++o) {
        grad_sample +=
            static_cast<acc_t>(w[o * g.in_per_group * g.taps]) * static_cast<acc_t>(grad_out[o * g.positions()]);
      }
      const int64_t plane = (n * g.in_channels + c) * g.pixels();
      const Corners<acc_t> v = read_corners(g, input + plane, p);
      grad_y += grad_sample * slope_y(v, p);
      grad_x += grad_sample * slope_x(v, p);
      spread(g, p, [&](int64_t index, acc_t share) { atomicAdd(grad_input + plane + index, share * grad_sample); });
    }
    grad_offset[delta] = static_cast<scalar_t>(grad_y);
    grad_offset[delta + g.positions()] = static_cast<scalar_t>(grad_x);
  }
}

// One block: one tap of one input channel (blockIdx.x) and kTile output channels of its weight group (blockIdx.y).
// Its threads share the output cells of all images; their sums are added in a fixed order.
template <typename scalar_t, typename acc_t>
__global__ void __launch_bounds__(kThreads) backward_weight_kernel(
    Geometry g, const scalar_t* __restrict__ grad, const scalar_t* __restrict__ input,
    const scalar_t* __restrict__ offset, scalar_t* __restrict__ grad_weight) {
  const int64_t c = blockIdx.x / g.taps, tap = blockIdx.x % g.taps;
  const int64_t first_out = c / g.in_per_group * g.out_per_group + int64_t(blockIdx.y) * kTile;
  const int64_t count = min(int64_t(kTile), g.out_per_group - int64_t(blockIdx.y) * kTile);

  acc_t sums[kTile] = {};
  for (int64_t cell = threadIdx.x; cell < g.batch * g.positions(); cell += kThreads) {
    const int64_t n = cell / g.positions(), position = cell % g.positions();
    const int64_t pair = (n * g.offset_groups + c / g.in_per_offset_group) * g.taps + tap;
    const scalar_t* delta = offset + 2 * pair * g.positions() + position;
    const Point<acc_t> p = tap_point(
        g, tap, position / g.out_width, position % g.out_width, static_cast<acc_t>(delta[0]),
        static_cast<acc_t>(delta[g.positions()]));
    const acc_t value = interpolate(read_corners(g, input + (n * g.in_channels + c) * g.pixels(), p), p);
    const scalar_t* grad_out = grad + (n * g.out_channels + first_out) * g.positions() + position;
#pragma unroll
    for (int o = 0; o < kTile; ++o) {
      if (o < count) {
        sums[o] += static_cast<acc_t>(grad_out[o * g.positions()]) * value;
      }
    }
  }

  __shared__ acc_t of_warp[kWarps][kTile];
#pragma unroll
  for (int o = 0; o < kTile; ++o) {
    for (int lanes = 16; lanes > 0; lanes /= 2) {
      sums[o] += __shfl_down_sync(0xffffffffu, sums[o], lanes);
    }
    if (threadIdx.x % 32 == 0) {
      of_warp[threadIdx.x / 32][o] = sums[o];
    }
  }
  __syncthreads();
  if (threadIdx.x < count) {
    acc_t sum = 0;
    for (int warp = 0; warp < kWarps; ++warp) {
      sum += of_warp[warp][threadIdx.x];
    }
    const int64_t o = first_out + threadIdx.x;
    grad_weight[(o * g.in_per_group + c % g.in_per_group) * g.taps + tap] = static_cast<scalar_t>(sum);
  }
}

at::Tensor deform_conv2d_cuda(
    const at::Tensor& input_, const at::Tensor& offset_, const at::Tensor& weight_, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation) {
  const c10::cuda::CUDAGuard guard(input_.device());
  const at::Tensor input = input_.contiguous(), offset = offset_.contiguous(), weight = weight_.contiguous();
  const Geometry g = make_geometry(input, offset, weight, stride, padding, dilation);
  at::Tensor output = at::empty({g.batch, g.out_channels, g.out_height, g.out_width}, input.options());
  const int64_t tiles = ceil_div(g.out_per_group, kTile);
  const int64_t total = g.batch * (g.in_channels / g.in_per_group) * tiles * g.positions();
  if (total == 0) {
    return output;
  }
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, input.scalar_type(), "deform_conv2d", [&] {
    forward_kernel<scalar_t, at::opmath_type<scalar_t>>
        <<<blocks_for(total), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
            g, tiles, total, input.const_data_ptr<scalar_t>(), offset.const_data_ptr<scalar_t>(),
            weight.const_data_ptr<scalar_t>(), output.mutable_data_ptr<scalar_t>());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return output;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> deform_conv2d_backward_cuda(
    const at::Tensor& grad_, const at::Tensor& input_, const at::Tensor& offset_, const at::Tensor& weight_,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation) {
  at::globalContext().alertNotDeterministic("deform_conv2d_backward_cuda");
  const c10::cuda::CUDAGuard guard(input_.device());
  const at::Tensor grad = grad_.contiguous(), input = input_.contiguous(), offset = offset_.contiguous(),
                   weight = weight_.contiguous();
  const Geometry g = make_geometry(input, offset, weight, stride, padding, dilation);
  at::Tensor grad_input = at::zeros_like(input, input.options().dtype(at::toOpMathType(input.scalar_type())));
  at::Tensor grad_offset = at::empty_like(offset), grad_weight = at::zeros_like(weight);
  const int64_t total = g.batch * g.offset_groups * g.taps * g.positions();
  if (total == 0) {
    return {grad_input.to(input.scalar_type()), grad_offset, grad_weight};
  }
  const dim3 weight_blocks(
      static_cast<unsigned>(g.in_channels * g.taps), static_cast<unsigned>(ceil_div(g.out_per_group, kTile)));
  const auto stream = c10::cuda::getCurrentCUDAStream();
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, input.scalar_type(), "deform_conv2d_backward", [&] {
    using acc_t = at::opmath_type<scalar_t>;
    backward_data_kernel<scalar_t, acc_t><<<blocks_for(total), kThreads, 0, stream>>>(
        g, total, grad.const_data_ptr<scalar_t>(), input.const_data_ptr<scalar_t>(),
        offset.const_data_ptr<scalar_t>(), weight.const_data_ptr<scalar_t>(), grad_input.mutable_data_ptr<acc_t>(),
        grad_offset.mutable_data_ptr<scalar_t>());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    backward_weight_kernel<scalar_t, acc_t><<<weight_blocks, kThreads, 0, stream>>>(
        g, grad.const_data_ptr<scalar_t>(), input.const_data_ptr<scalar_t>(), offset.const_data_ptr<scalar_t>(),
        grad_weight.mutable_data_ptr<scalar_t>());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return {grad_input.to(input.scalar_type()), grad_offset, grad_weight};
}

} // namespace

TORCH_LIBRARY_IMPL(posewarper, CUDA, library) {
  library.impl("deform_conv2d", TORCH_FN(deform_conv2d_cuda));
  library.impl("deform_conv2d_backward", TORCH_FN(deform_conv2d_backward_cuda));
}

} // namespace posewarper
