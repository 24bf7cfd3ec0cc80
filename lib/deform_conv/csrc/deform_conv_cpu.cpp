// Deformable convolution on the CPU. The order of all sums is independent of the number of threads.
//
// Channels are sampled from cells. The cell of a pixel holds its value and the difference to the pixel below, so a
// single load of four numbers provides everything for a bilinear interpolation. The image has a margin of kMargin cells
// of zeros. Sampling points are clamped to the margin, so no sample needs a bounds check.
//
// Offsets are not copied as a whole. Those in channels-last order are transposed block by block within the cache.
//
// Half types are summed in float32.
#include <ATen/OpMathType.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <torch/library.h>

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "geometry.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define POSEWARPER_X86
#include <immintrin.h>
#endif

namespace posewarper {
namespace {

constexpr int64_t kBlock = 256; // output positions per block; their data fits into the L1 cache
constexpr int64_t kMargin = 2;
constexpr int64_t kMostLanes = 16; // float32 lanes of the widest vectors

int64_t cell_columns(const Geometry& g) {
  return g.width + 2 * kMargin;
}

// Size of the cells of one channel; each cell has two numbers.
int64_t cell_numbers(const Geometry& g) {
  return 2 * (g.height + 2 * kMargin - 1) * cell_columns(g);
}

// Size of the buffer of forward_block, for positions, columns and sums.
int64_t forward_scratch(const Geometry& g) {
  return (2 + g.taps + g.out_channels) * kBlock;
}

// Number of offset channels, two for each tap of each offset group.
int64_t offset_channels(const Geometry& g) {
  return 2 * g.offset_groups * g.taps;
}

// Size of the buffer of backward_channel, for positions, columns and their gradients, the output gradient of the last
// block, sums of weight gradients, and gradients of cells.
int64_t backward_scratch(const Geometry& g) {
  return (2 + 2 * g.taps + g.out_per_group) * kBlock + g.out_per_group * g.taps * kMostLanes + 2 * cell_numbers(g);
}

namespace plain {
#define POSEWARPER_VECTOR_BYTES 16
#include "vectors.h"
#include "deform_conv_kernel.h"
#undef POSEWARPER_VECTOR_BYTES
#undef POSEWARPER_INLINE
} // namespace plain

#ifdef POSEWARPER_X86
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define POSEWARPER_VECTOR_BYTES 32
#include "vectors.h"
#include "deform_conv_kernel.h"
#undef POSEWARPER_VECTOR_BYTES
#undef POSEWARPER_INLINE
} // namespace avx2
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")
namespace avx512 {
#define POSEWARPER_VECTOR_BYTES 64
#include "vectors.h"
#include "deform_conv_kernel.h"
#undef POSEWARPER_VECTOR_BYTES
#undef POSEWARPER_INLINE
} // namespace avx512
#pragma GCC pop_options
#endif

template <typename T, typename Offset>
struct Kernels {
  decltype(&plain::fill_cells<T>) fill_cells;
  decltype(&plain::transpose_block<T, Offset>) transpose_block;
  decltype(&plain::forward_block<T, T>) forward_transposed;
  decltype(&plain::forward_block<T, Offset>) forward_block;
  decltype(&plain::backward_channel<T, Offset>) backward_channel;
};

// Returns the kernels for the instruction set that torch uses: that of ATEN_CPU_CAPABILITY, by default the best one.
template <typename T, typename Offset>
Kernels<T, Offset> choose_kernels() {
#ifdef POSEWARPER_X86
  static const std::string capability = at::get_cpu_capability();
  if (capability == "AVX512") {
    return {
      avx512::fill_cells<T>, avx512::transpose_block<T, Offset>, avx512::forward_block<T, T>,
      avx512::forward_block<T, Offset>, avx512::backward_channel<T, Offset>};
  }
  if (capability == "AVX2") {
    return {
      avx2::fill_cells<T>, avx2::transpose_block<T, Offset>, avx2::forward_block<T, T>,
      avx2::forward_block<T, Offset>, avx2::backward_channel<T, Offset>};
  }
#endif
  return {
      plain::fill_cells<T>, plain::transpose_block<T, Offset>, plain::forward_block<T, T>,
      plain::forward_block<T, Offset>, plain::backward_channel<T, Offset>};
}

// Buffer of one thread, aligned to cache lines.
template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t numbers) : lines_((numbers * sizeof(T) + sizeof(Line) - 1) / sizeof(Line)) {}
  T* data() { return reinterpret_cast<T*>(lines_.data()); }

 private:
  struct alignas(64) Line {
    char bytes[64];
  };
  std::vector<Line> lines_;
};

// Layouts of the offsets of one image: is_channels_last has the channels of a position next to each other, is_plain the
// positions of a channel.
bool is_channels_last(const at::Tensor& offset) {
  return offset.stride(1) == 1 && offset.stride(3) == offset.size(1) &&
      offset.stride(2) == offset.size(1) * offset.size(3);
}

bool is_plain(const at::Tensor& offset) {
  return offset.stride(3) == 1 && offset.stride(2) == offset.size(3) &&
      offset.stride(1) == offset.size(2) * offset.size(3);
}

template <typename T, typename Offset>
void forward(const Geometry& g, const T* input, const at::Tensor& offset, const T* weight, T* output) {
  const Offset* offsets = offset.const_data_ptr<Offset>();
  const int64_t image_stride = offset.stride(0); // 0 if the offsets of one image are expanded over the batch
  const bool channels_last = is_channels_last(offset);
  const Kernels kernels = choose_kernels<T, Offset>();
  const std::vector<T> zeros(g.width);
  const int64_t blocks = (g.positions() + kBlock - 1) / kBlock;
  const int64_t at_once = std::min<int64_t>(g.batch, at::get_num_threads());
  Scratch<T> cells(at_once * g.in_channels * cell_numbers(g));
  for (int64_t first = 0; first < g.batch; first += at_once) {
    const int64_t images = std::min(at_once, g.batch - first);
    at::parallel_for(0, images * g.in_channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        kernels.fill_cells(
            g, input + (first * g.in_channels + plane) * g.pixels(), zeros.data(),
            cells.data() + plane * cell_numbers(g));
      }
    });
    at::parallel_for(0, images * blocks, 1, [&](int64_t begin, int64_t end) {
      const int64_t channels = offset_channels(g);
      Scratch<T> scratch(forward_scratch(g)), transposed(channels_last ? channels * kBlock : 0),
          wide(channels_last ? channels * kMostLanes : 0);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t i = task / blocks, n = first + i, start = task % blocks * kBlock;
        const T* image_cells = cells.data() + i * g.in_channels * cell_numbers(g);
        T* image_output = output + n * g.out_channels * g.positions();
        const Offset* image_offsets = offsets + n * image_stride;
        if (channels_last) {
          const int64_t count = std::min(kBlock, g.positions() - start);
          kernels.transpose_block(image_offsets + start * channels, channels, count, wide.data(), transposed.data());
          kernels.forward_transposed(
              g, image_cells, transposed.data(), kBlock, weight, image_output, start, scratch.data());
        } else {
          kernels.forward_block(
              g, image_cells, image_offsets + start, g.positions(), weight, image_output, start, scratch.data());
        }
      }
    });
  }
}

// Each task computes one offset group of a part of the images. Tasks write to disjoint parts of the gradients of input
// and offsets. Each part of the images has a separate weight gradient; these are summed at the end.
template <typename T, typename Offset>
void backward(
    const Geometry& g, const T* grad, const T* input, const Offset* offset, const T* weight, T* grad_input,
    Offset* grad_offset, T* grad_weight) {
  const Kernels kernels = choose_kernels<T, Offset>();
  const std::vector<T> zeros(g.width);
  constexpr int64_t most_parts = 16;
  const int64_t parts = std::min(g.batch, most_parts);
  const int64_t weights = g.out_channels * g.in_per_group * g.taps;
  std::vector<T> partial(parts * weights);
  at::parallel_for(0, parts * g.offset_groups, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> cells(cell_numbers(g)), scratch(backward_scratch(g));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t part = task / g.offset_groups, group = task % g.offset_groups;
      for (int64_t n = g.batch * part / parts; n < g.batch * (part + 1) / parts; ++n) {
        for (int64_t i = 0; i < g.in_per_offset_group; ++i) {
          const int64_t c = group * g.in_per_offset_group + i;
          const int64_t plane = (n * g.in_channels + c) * g.pixels();
          const int64_t offsets = n * g.offset_groups * 2 * g.taps * g.positions();
          kernels.fill_cells(g, input + plane, zeros.data(), cells.data());
          kernels.backward_channel(
              g, c, grad + n * g.out_channels * g.positions(), cells.data(), offset + offsets, weight,
              grad_input + plane, grad_offset + offsets, partial.data() + part * weights, scratch.data());
        }
      }
    }
  });
  for (int64_t part = 0; part < parts; ++part) {
    for (int64_t i = 0; i < weights; ++i) {
      grad_weight[i] += partial[part * weights + i];
    }
  }
}

// Returns a contiguous tensor, converted to float32 if it has a half type.
at::Tensor prepared(const at::Tensor& tensor) {
  return tensor.to(at::toOpMathType(tensor.scalar_type())).contiguous();
}

// Keeps bfloat16 offsets, which are most of the data, unless their gradient is the sum over several channels.
at::Tensor prepared_offset(const at::Tensor& offset, bool is_summed) {
  return offset.scalar_type() == at::kBFloat16 && !is_summed ? offset : offset.to(at::toOpMathType(offset.scalar_type()));
}

// Calls run(T(), Offset()) with the types of the computation and of the offsets.
template <typename Run>
void dispatch(const at::Tensor& input, const at::Tensor& offset, const Run& run) {
  if (input.scalar_type() == at::kDouble) {
    run(double(), double());
  } else if (offset.scalar_type() == at::kBFloat16) {
    run(float(), c10::BFloat16());
  } else {
    run(float(), float());
  }
}

Geometry checked_geometry(
    const at::Tensor& input, const at::Tensor& offset, const at::Tensor& weight, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation) {
  const Geometry g = make_geometry(input, offset, weight, stride, padding, dilation);
  // Indices of cells are int32, and positions of points are float32.
  TORCH_CHECK_VALUE(
      2 * cell_numbers(g) <= std::numeric_limits<int32_t>::max() && std::max(g.height, g.width) < (1 << 24) - kMargin,
      "deform_conv2d: an image of ", g.height, " x ", g.width, " pixels is too large for the CPU");
  return g;
}

at::Tensor deform_conv2d_cpu(
    const at::Tensor& input_, const at::Tensor& offset_, const at::Tensor& weight_, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation) {
  const Geometry g = checked_geometry(input_, offset_, weight_, stride, padding, dilation);
  const at::Tensor input = prepared(input_), weight = prepared(weight_);
  at::Tensor offset = prepared_offset(offset_, false);
  if (!is_plain(offset) && !is_channels_last(offset)) {
    offset = offset.contiguous();
  }
  at::Tensor output = at::empty({g.batch, g.out_channels, g.out_height, g.out_width}, input.options());
  dispatch(input, offset, [&](auto real, auto offset_type) {
    using T = decltype(real);
    using Offset = decltype(offset_type);
    forward<T, Offset>(
        g, input.const_data_ptr<T>(), offset, weight.const_data_ptr<T>(), output.mutable_data_ptr<T>());
  });
  return output.to(input_.scalar_type());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> deform_conv2d_backward_cpu(
    const at::Tensor& grad_, const at::Tensor& input_, const at::Tensor& offset_, const at::Tensor& weight_,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation) {
  const Geometry g = checked_geometry(input_, offset_, weight_, stride, padding, dilation);
  const at::Tensor grad = prepared(grad_), input = prepared(input_), weight = prepared(weight_),
                   offset = prepared_offset(offset_, g.in_per_offset_group > 1).contiguous();
  at::Tensor grad_input = at::empty_like(input), grad_offset = at::empty_like(offset),
             grad_weight = at::zeros_like(weight);
  dispatch(input, offset, [&](auto real, auto offset_type) {
    using T = decltype(real);
    using Offset = decltype(offset_type);
    backward<T, Offset>(
        g, grad.const_data_ptr<T>(), input.const_data_ptr<T>(), offset.const_data_ptr<Offset>(),
        weight.const_data_ptr<T>(), grad_input.mutable_data_ptr<T>(), grad_offset.mutable_data_ptr<Offset>(),
        grad_weight.mutable_data_ptr<T>());
  });
  const at::ScalarType dtype = input_.scalar_type();
  return {grad_input.to(dtype), grad_offset.to(offset_.scalar_type()), grad_weight.to(dtype)};
}

} // namespace

TORCH_LIBRARY_IMPL(posewarper, CPU, library) {
  library.impl("deform_conv2d", TORCH_FN(deform_conv2d_cpu));
  library.impl("deform_conv2d_backward", TORCH_FN(deform_conv2d_backward_cpu));
}

} // namespace posewarper
