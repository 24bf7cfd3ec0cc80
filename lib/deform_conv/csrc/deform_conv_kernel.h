// Inner loops of deformable convolution on the CPU for one instruction set (vectors.h).

// Computes the cells of a plane. zeros: g.width zeros.
template <typename T>
void fill_cells(const Geometry& g, const T* plane, const T* zeros, T* cells) {
  for (int64_t y = -kMargin; y <= g.height; ++y, cells += 2 * cell_columns(g)) {
    const T* here = y >= 0 && y < g.height ? plane + y * g.width : zeros;
    const T* below = y >= -1 && y < g.height - 1 ? plane + (y + 1) * g.width : zeros;
    std::fill_n(cells, 2 * kMargin, T(0));
    for (int64_t x = 0; x < g.width; ++x) {
      cells[2 * (kMargin + x)] = here[x];
      cells[2 * (kMargin + x) + 1] = below[x] - here[x];
    }
    std::fill_n(cells + 2 * (kMargin + g.width), 2 * kMargin, T(0));
  }
}

// Computes the positions of the first tap in a block without offsets, in cells. Lanes after the block are set to −∞.
template <typename T>
void place_block(const Geometry& g, int64_t begin, int64_t count, T* y, T* x) {
  int64_t out_y = begin / g.out_width, out_x = begin % g.out_width;
  for (int64_t i = 0; i < count; ++i) {
    y[i] = T(out_y * g.stride_y - g.padding_y + kMargin);
    x[i] = T(out_x * g.stride_x - g.padding_x + kMargin);
    if (++out_x == g.out_width) {
      out_x = 0;
      ++out_y;
    }
  }
  std::fill(y + count, y + kBlock, -std::numeric_limits<T>::infinity());
  std::fill(x + count, x + kBlock, -std::numeric_limits<T>::infinity());
}

// Sampling points of one tap in a block: index in `cells` of the cell above and to the left of each point, and vertical
// and horizontal distance of the point from that cell.
template <typename T>
struct Points {
  alignas(64) Int<T> at[kBlock];
  alignas(64) T fy[kBlock], fx[kBlock];
};

// Locates the sampling points of one tap in a block. stride: distance of consecutive offset channels.
template <typename T, typename Offset>
void locate(
    const Geometry& g, const T* base_y, const T* base_x, int64_t tap, const Offset* delta_y, int64_t stride,
    int64_t count, Points<T>& points) {
  const Offset* delta_x = delta_y + stride;
  const T tap_y = T(tap / g.kernel_width * g.dilation_y), tap_x = T(tap % g.kernel_width * g.dilation_x);
  const Reals<T> last_y = fill(T(g.height + kMargin)), last_x = fill(T(g.width + kMargin));
  const Int<T> row = 2 * cell_columns(g);
  // Prefetch the offsets of the next group: 2 · taps streams are too many for the hardware prefetcher.
  const int64_t ahead = 2 * g.taps * stride;
  for (int64_t i = 0; i < count; i += kLanes<T>) {
    __builtin_prefetch(delta_y + i + ahead, 0, 2);
    __builtin_prefetch(delta_x + i + ahead, 0, 2);
    const Reals<T> y = clamp(load(base_y + i) + tap_y + load_some<T>(delta_y + i, count - i), last_y);
    const Reals<T> x = clamp(load(base_x + i) + tap_x + load_some<T>(delta_x + i, count - i), last_x);
    const Ints<T> top = __builtin_convertvector(y, Ints<T>), left = __builtin_convertvector(x, Ints<T>);
    const Ints<T> at = top * row + 2 * left;
    __builtin_memcpy(points.at + i, &at, sizeof(at));
    store(points.fy + i, y - __builtin_convertvector(top, Reals<T>));
    store(points.fx + i, x - __builtin_convertvector(left, Reals<T>));
  }
}

// sums[b][p] += Σ_k weight[b * row + k * step] · columns[k][p], for B rows of `sums` and all positions p of a block.
template <int B, typename T>
void multiply_rows(
    const T* weight, int64_t row, int64_t step, int64_t depth, const T* columns, int64_t column_stride, T* sums) {
  constexpr int64_t V = POSEWARPER_VECTOR_BYTES == 64 ? 4 : 2; // number of vectors that fit into the registers
  for (int64_t p = 0; p < kBlock; p += V * kLanes<T>) {
    Reals<T> total[B][V];
    for (int64_t b = 0; b < B; ++b) {
      for (int64_t v = 0; v < V; ++v) {
        total[b][v] = load(sums + b * kBlock + p + v * kLanes<T>);
      }
    }
    for (int64_t k = 0; k < depth; ++k) {
      Reals<T> column[V];
      for (int64_t v = 0; v < V; ++v) {
        column[v] = load(columns + k * column_stride + p + v * kLanes<T>);
      }
      for (int64_t b = 0; b < B; ++b) {
        const T factor = weight[b * row + k * step];
        for (int64_t v = 0; v < V; ++v) {
          total[b][v] += factor * column[v];
        }
      }
    }
    for (int64_t b = 0; b < B; ++b) {
      for (int64_t v = 0; v < V; ++v) {
        store(sums + b * kBlock + p + v * kLanes<T>, total[b][v]);
      }
    }
  }
}

// Calls multiply_rows for any number of rows.
template <int B = 6, typename T>
void multiply(
    int64_t rows, const T* weight, int64_t row, int64_t step, int64_t depth, const T* columns, int64_t column_stride,
    T* sums) {
  for (; rows >= B; rows -= B, weight += B * row, sums += B * kBlock) {
    multiply_rows<B>(weight, row, step, depth, columns, column_stride, sums);
  }
  if constexpr (B > 1) {
    multiply<B - 1>(rows, weight, row, step, depth, columns, column_stride, sums);
  }
}

// Transposes the channels-last offsets of a block: channel c of position i goes to to[c * kBlock + i].
// wide: buffer for kLanes<T> rows.
template <typename T, typename Offset>
void transpose_block(const Offset* rows, int64_t channels, int64_t count, T* wide, T* to) {
  for (int64_t i = 0; i < count; i += kLanes<T>) {
    const int64_t last = std::min(kLanes<T>, count - i) - 1;
    Int<T> at[kLanes<T>];
    for (int64_t lane = 0; lane < kLanes<T>; ++lane) {
      at[lane] = std::min(lane, last) * channels;
    }
    const T* from;
    if constexpr (std::is_same_v<T, Offset>) {
      from = rows + i * channels;
    } else {
      for (int64_t k = 0; k < (last + 1) * channels; k += kLanes<T>) {
        const int64_t left = (last + 1) * channels - k;
        store_some(wide + k, load_some<T>(rows + i * channels + k, left), left);
      }
      from = wide;
    }
    int64_t c = 0;
    for (; c + 4 <= channels; c += 4) {
      const Quads<T> quads = load_quads(from + c, at);
      store(to + c * kBlock + i, quads.a);
      store(to + (c + 1) * kBlock + i, quads.b);
      store(to + (c + 2) * kBlock + i, quads.c);
      store(to + (c + 3) * kBlock + i, quads.d);
    }
    for (; c < channels; ++c) {
      for (int64_t lane = 0; lane < kLanes<T>; ++lane) {
        to[c * kBlock + i + lane] = from[at[lane] + c];
      }
    }
  }
}

// Computes the output of one image for the block of positions that starts at `begin`. offset: first channel of the
// first of these positions. stride: distance of consecutive offset channels. scratch: buffer of forward_scratch(g)
// numbers.
template <typename T, typename Offset>
void forward_block(
    const Geometry& g, const T* cells, const Offset* offset, int64_t stride, const T* weight, T* output, int64_t begin,
    T* scratch) {
  const int64_t count = std::min(kBlock, g.positions() - begin);
  T *base_y = scratch, *base_x = base_y + kBlock, *columns = base_x + kBlock, *sums = columns + g.taps * kBlock;
  place_block(g, begin, count, base_y, base_x);
  std::fill_n(sums, g.out_channels * kBlock, T(0));
  Points<T> points;
  for (int64_t c = 0; c < g.in_channels; ++c) {
    const Offset* group_offset = offset + c / g.in_per_offset_group * 2 * g.taps * stride;
    const T* plane = cells + c * cell_numbers(g);
    for (int64_t tap = 0; tap < g.taps; ++tap) {
      locate(g, base_y, base_x, tap, group_offset + 2 * tap * stride, stride, count, points);
      T* column = columns + tap * kBlock;
      for (int64_t i = 0; i < count; i += kLanes<T>) {
        const Quads<T> around = load_quads(plane, points.at + i);
        const Reals<T> fy = load(points.fy + i), fx = load(points.fx + i);
        const Reals<T> left = around.a + fy * around.b, right = around.c + fy * around.d;
        store(column + i, left + fx * (right - left));
      }
    }
    const int64_t first_out = c / g.in_per_group * g.out_per_group;
    const T* first_weight = weight + (first_out * g.in_per_group + c % g.in_per_group) * g.taps;
    multiply(
        g.out_per_group, first_weight, g.in_per_group * g.taps, 1, g.taps, columns, kBlock, sums + first_out * kBlock);
  }
  for (int64_t o = 0; o < g.out_channels; ++o) {
    std::copy_n(sums + o * kBlock, count, output + o * g.positions() + begin);
  }
}

// Computes the gradients of offsets and cells from the gradient of one tap's samples in a block, and the samples
// themselves. The gradient of Δx follows that of Δy after g.positions() numbers. Offset gradients are set, or increased
// if `add` is true; gradients of cells are increased.
template <typename T, typename Offset>
void backward_tap(
    const Geometry& g, const T* cells, const Points<T>& points, int64_t count, const T* grad_column, bool add,
    Offset* grad_delta_y, T* grad_cells, T* column) {
  Offset* grad_delta_x = grad_delta_y + g.positions();
  for (int64_t i = 0; i < count; i += kLanes<T>) {
    const Quads<T> around = load_quads(cells, points.at + i);
    const Reals<T> fy = load(points.fy + i), fx = load(points.fx + i), grad = load(grad_column + i);
    const Reals<T> left = around.a + fy * around.b, right = around.c + fy * around.d;
    store(column + i, left + fx * (right - left));

    Reals<T> grad_y = grad * (around.b + fx * (around.d - around.b)), grad_x = grad * (right - left);
    if (add) {
      grad_y += load_some<T>(grad_delta_y + i, count - i);
      grad_x += load_some<T>(grad_delta_x + i, count - i);
    }
    store_some<T>(grad_delta_y + i, grad_y, count - i);
    store_some<T>(grad_delta_x + i, grad_x, count - i);

    const Reals<T> to_right = grad * fx, to_left = grad - to_right;
    const Reals<T> bottom_left = to_left * fy, bottom_right = to_right * fy;
    add_quads(grad_cells, points.at + i, {to_left - bottom_left, bottom_left, to_right - bottom_right, bottom_right});
  }
}

// totals[b][lane] += Σ_p rows[b][p] · column[p], over the vectors of `count` positions.
template <int B, typename T>
void dot_rows(const T* rows, int64_t row_stride, const T* column, int64_t count, T* totals, int64_t total_stride) {
  Reals<T> total[B];
  for (int64_t b = 0; b < B; ++b) {
    total[b] = load(totals + b * total_stride);
  }
  for (int64_t p = 0; p < count; p += kLanes<T>) {
    const Reals<T> values = load(column + p);
    for (int64_t b = 0; b < B; ++b) {
      total[b] += values * load(rows + b * row_stride + p);
    }
  }
  for (int64_t b = 0; b < B; ++b) {
    store(totals + b * total_stride, total[b]);
  }
}

// Computes the gradients of one input channel of one image. Each call writes to a different grad_plane and adds to
// grad_weight. scratch: buffer of backward_scratch(g) numbers.
template <typename T, typename Offset>
void backward_channel(
    const Geometry& g, int64_t c, const T* grad, const T* cells, const Offset* offset, const T* weight, T* grad_plane,
    Offset* grad_offset, T* grad_weight, T* scratch) {
  T *base_y = scratch, *base_x = base_y + kBlock, *columns = base_x + kBlock;
  T* grad_columns = columns + g.taps * kBlock;
  T* last_grad = grad_columns + g.taps * kBlock;
  T* totals = last_grad + g.out_per_group * kBlock;
  T* grad_cells = totals + g.out_per_group * g.taps * kMostLanes;
  std::fill_n(totals, g.out_per_group * g.taps * kMostLanes, T(0));
  std::fill_n(grad_cells, 2 * cell_numbers(g), T(0));

  const int64_t first_out = c / g.in_per_group * g.out_per_group, row = g.in_per_group * g.taps;
  const int64_t first_weight = first_out * row + c % g.in_per_group * g.taps;
  const int64_t first_delta = c / g.in_per_offset_group * 2 * g.taps * g.positions();
  Points<T> points;
  for (int64_t begin = 0; begin < g.positions(); begin += kBlock) {
    const int64_t count = std::min(kBlock, g.positions() - begin);
    place_block(g, begin, count, base_y, base_x);
    const T* rows = grad + first_out * g.positions() + begin;
    int64_t row_stride = g.positions();
    if (count < kBlock) { // full vectors would read beyond the image
      std::fill_n(last_grad, g.out_per_group * kBlock, T(0));
      for (int64_t o = 0; o < g.out_per_group; ++o) {
        std::copy_n(rows + o * row_stride, count, last_grad + o * kBlock);
      }
      rows = last_grad;
      row_stride = kBlock;
    }
    std::fill_n(grad_columns, g.taps * kBlock, T(0));
    multiply(g.taps, weight + first_weight, 1, row, g.out_per_group, rows, row_stride, grad_columns);
    for (int64_t tap = 0; tap < g.taps; ++tap) {
      const int64_t delta = first_delta + 2 * tap * g.positions() + begin;
      locate(g, base_y, base_x, tap, offset + delta, g.positions(), count, points);
      backward_tap(
          g, cells, points, count, grad_columns + tap * kBlock, c % g.in_per_offset_group != 0, grad_offset + delta,
          grad_cells, columns + tap * kBlock);
      T* tap_totals = totals + tap * kMostLanes;
      int64_t o = 0;
      for (; o + 6 <= g.out_per_group; o += 6) {
        dot_rows<6>(
            rows + o * row_stride, row_stride, columns + tap * kBlock, count, tap_totals + o * g.taps * kMostLanes,
            g.taps * kMostLanes);
      }
      for (; o < g.out_per_group; ++o) {
        dot_rows<1>(
            rows + o * row_stride, row_stride, columns + tap * kBlock, count, tap_totals + o * g.taps * kMostLanes, 0);
      }
    }
  }
  for (int64_t o = 0; o < g.out_per_group; ++o) {
    for (int64_t tap = 0; tap < g.taps; ++tap) {
      grad_weight[first_weight + o * row + tap] += sum<T>(load(totals + (o * g.taps + tap) * kMostLanes));
    }
  }
  // Each quad holds the gradients of a pixel, the pixel below it, and the right neighbors of both.
  const int64_t columns_of_cells = cell_columns(g);
  for (int64_t y = 0; y < g.height; ++y) {
    const T* here = grad_cells + 4 * ((y + kMargin) * columns_of_cells + kMargin);
    const T* above = here - 4 * columns_of_cells;
    for (int64_t x = 0; x < g.width; ++x) {
      grad_plane[y * g.width + x] = here[4 * x] + here[4 * x - 2] + above[4 * x + 1] + above[4 * x - 1];
    }
  }
}
