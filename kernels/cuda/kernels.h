#pragma once

#include <cuda_runtime_api.h>

#include "kernels/cuda/batch.h"

// CUDA launchers: device pointers and extents, row-major f32 unless said otherwise, queued on
// `stream`. Shapes are checked by the caller. Plain C++, so that .cpp files may include it. Each
// returns the launch status; a fault inside a kernel shows at the next synchronisation.
namespace kvs::cuda {

/// out[t] = table[tokens[t]]. table: [vocab, stride] in bf16 or f32, `dim` of `stride` used;
/// out: [rows, dim].
cudaError_t embed(float* out, const void* table, bool bf16, const int32_t* tokens, int64_t rows,
                  int64_t dim, int64_t stride, cudaStream_t stream);

/// out[i] = x[rows[i]]. out: [count, dim].
cudaError_t gather_rows(float* out, const float* x, const int32_t* rows, int64_t count, int64_t dim,
                        cudaStream_t stream);

/// out = x rounded to bf16. x: [rows, dim]; out: [rows, stride], what exceeds dim is 0.
cudaError_t round_to_bf16(void* out, const float* x, int64_t rows, int64_t dim, int64_t stride,
                          cudaStream_t stream);

/// out = x * weight / sqrt(mean(x^2) + eps) over each of `heads` vectors of `dim` in each row.
/// x, out: [rows], `stride` elements from row to row, may alias in f32; weight: [dim].
cudaError_t rms_norm(Result out, const float* x, const float* weight, int64_t rows, int64_t heads,
                     int64_t dim, int64_t stride, float eps, cudaStream_t stream);

/// out = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias per row. x, out: [rows, dim], may
/// alias; weight, bias: [dim].
cudaError_t layer_norm(float* out, const float* x, const float* weight, const float* bias,
                       int64_t rows, int64_t dim, float eps, cudaStream_t stream);

/// out = x Phi(x), with the error function itself. x, out: [count], may alias.
cudaError_t gelu(float* out, const float* x, int64_t count, cudaStream_t stream);

/// out = silu(gate) * up. gate_up: [rows, 2 dim], gate first; out: [rows, dim].
cudaError_t swiglu(Result out, const float* gate_up, int64_t rows, int64_t dim,
                   cudaStream_t stream);

/// angles[i, f] = cosine and sine of multiples[i] * frequencies[f], computed in double.
/// angles: [count, half, 2].
cudaError_t angle_table(float* angles, const int32_t* multiples, const double* frequencies,
                        int64_t count, int half, cudaStream_t stream);

/// Rotates the keys of all rows for their positions; stores them and their values.
/// qkv: [T, (H + 2 K) D].
cudaError_t write_kv(const float* qkv, const BatchView& batch, cudaStream_t stream);

/// Tasks of attention in f32 arithmetic, for every type of cache and head_dim.
/// out: [T, H D]; qkv: [T, (H + 2 K) D].
cudaError_t attention_rows(Result out, const float* qkv, const BatchView& batch,
                           const AttentionTask* tasks, int64_t count, cudaStream_t stream);

/// The same by tensor cores: queries and weights are rounded to f16 (bf16 where the cache is).
cudaError_t attention_tiles(Result out, const float* qkv, const BatchView& batch,
                            const AttentionTask* tasks, int64_t count, cudaStream_t stream);

/// Merges the partial results of the parts of each merge, in order.
cudaError_t merge_partials(Result out, const BatchView& batch, const AttentionMerge* merges,
                           int64_t count, cudaStream_t stream);

/// mass[p] += the weights of position p in the queries of the task's rows, summed over them, mean
/// over the heads. mass: [positions]; scratch: mass_scratch_floats().
cudaError_t attention_mass(float* mass, const float* qkv, const BatchView& batch,
                           const MassTask& task, float* scratch, cudaStream_t stream);

/// out[i] = the sums of (k - k')^2, (v - v')^2 and |v - v'| over all heads, k turned by its angle.
/// out: [count, 3]; turns: an angle_table [.., D / 2, 2].
cudaError_t kv_deviation(float* out, const KvRowPair* pairs, const float* turns,
                         const KvPlanes& planes, int64_t count, int kv_heads, int head_dim,
                         cudaStream_t stream);

/// Copies rows over all layers, their keys rotated by their angles.
/// turns: an angle_table [.., D / 2, 2].
cudaError_t move_kv(const KvRowMove* moves, const float* turns, const KvBlocks& blocks,
                    int64_t count, cudaStream_t stream);

/// Between cached rows and a record of them: for each layer K [kv_heads][count][D], V, and in q8
/// their scales [kv_heads][count]. record: a multiple of 8 bytes; places: [count].
cudaError_t pack_kv(std::byte* record, const KvPlace* places, const KvBlocks& blocks, int64_t count,
                    cudaStream_t stream);
cudaError_t unpack_kv(const std::byte* record, const KvPlace* places, const KvBlocks& blocks,
                      int64_t count, cudaStream_t stream);

/// out = the rows that kvs/random_rows.h defines, in bf16 or f32. out: [rows, stride], what exceeds
/// cols is 0.
cudaError_t random_rows(void* out, bool bf16, const NoiseRows& rows, cudaStream_t stream);

/// values[i] = the logit at places[i], which becomes NaN. logits: [.., vocab].
cudaError_t take_logits(float* values, float* logits, const LogitPlace* places, int64_t count,
                        int64_t vocab, cudaStream_t stream);

/// The `keep` largest of each row, falling, as keys (batch.h). logits: [rows, vocab];
/// keys: two times top_logit_keys(), the first [rows, keep] of which are the result.
cudaError_t top_logits(uint64_t* keys, const float* logits, int64_t rows, int64_t vocab, int keep,
                       cudaStream_t stream);

/// data[i] = noise in [-1, 1), in bf16 or f32: what limits are measured on.
cudaError_t fill_noise(void* data, bool bf16, int64_t count, uint32_t seed, cudaStream_t stream);

/// Reads `count` floats, a multiple of 4, and leaves a sum that depends on all of them in `sum`.
cudaError_t add_up(float* sum, const float* data, int64_t count, cudaStream_t stream);

}  // namespace kvs::cuda
