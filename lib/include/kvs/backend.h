#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/batch.h"
#include "kvs/export.h"
#include "kvs/random_rows.h"
#include "kvs/tensor.h"
#include "kvs/top_logit.h"

namespace kvs {

/// In which arithmetic a model's matrices are kept and multiplied. Sums are f32 in both.
enum class Compute {
  bf16,  ///< weights rounded to bf16; activations too where the device multiplies bf16 pairs
  f32,   ///< nothing is rounded: for parity tests and exact comparisons
};

/// Reads rows [first, first + count) of a weight matrix as f32 into out [count, cols].
using RowReader = std::function<void(int64_t first, int64_t count, float* out)>;

/// Bytes on the host, owned by whoever needs them; see Backend::host_memory().
using HostMemory = std::shared_ptr<std::byte[]>;

/// A weight matrix in the form its backend multiplies fastest. [rows, cols], row = output.
class KVS_API Matrix {
 public:
  virtual ~Matrix() = default;
  virtual int64_t rows() const = 0;
  virtual int64_t cols() const = 0;
  virtual size_t bytes() const = 0;

  /// The type of rows that matmul() multiplies as they are: that of activations, or a narrower one
  /// to which it else rounds them in a pass of its own.
  virtual DType input_type() const { return DType::f32; }
};

/// One token's cached row in two places: as computed here, and as kept from elsewhere. `home` is
/// the position that a row's key was rotated for.
struct KvPair {
  const void* block = nullptr;
  const void* kept_block = nullptr;
  int32_t row = 0, kept_row = 0;  ///< in their blocks, [0, 64)
  int32_t home = 0, kept_home = 0;
};

/// Neighbouring rows that are copied to another place, in all layers.
struct KvMove {
  const void* block = nullptr;
  void* target = nullptr;
  int32_t first = 0, target_first = 0;  ///< rows of the blocks
  int32_t count = 0;                    ///< at least 1; first + count <= 64, for both
  int32_t turn = 0;  ///< positions by which the keys are rotated on: the run's shift
};

/// A BatchLayout made ready for one backend: rotations, tasks, device copies.
class KVS_API BatchPlan {
 public:
  virtual ~BatchPlan() = default;
};

/// What the machine can do at best, measured now (takes about a second).
struct MachineLimits {
  double gemm_gflops = 0;    ///< best of a register-only multiply-add loop and a large library GEMM
  double read_gb_per_s = 0;  ///< a read of 1 GB
};

/// Runs steps that come again and again with other values: those of decoding. What a step of one
/// shape queued may be recorded, and queued again at once.
class KVS_API StepRunner {
 public:
  virtual ~StepRunner() = default;

  /// Runs a step, which queues operations and reads nothing back. Steps of one `shape` queue the
  /// same operations on the same tensors and matrices; they differ in the tokens, rows and layouts
  /// that they name. `step` may be called twice.
  virtual void run(const std::vector<int64_t>& shape, const std::function<void()>& step) = 0;
};

struct MatmulOptions {
  Tensor bias{};            ///< [rows of w], f32; none where data is null
  bool accumulate = false;  ///< add to `out` instead of replacing it
};

/// Everything the model asks of a device. One implementation per device; the forward pass is
/// written once, against this interface.
///
/// Activations are tensors of activation_type(), row-major; T is the number of rows in the batch, H
/// query heads, K KV heads, D head_dim. A `qkv` tensor is [T, (H + 2 K) D]: queries, keys, values.
/// Where a matrix takes a narrower input_type(), matmul's x may be of it, and so may what rms_norm,
/// swiglu and attention write.
/// Operations are queued: results are valid after synchronize() or download(), which also report
/// faults of operations queued before. Not thread-safe, save host_memory().
/// Every operation throws Error(mismatch) where shapes do not fit, Error(memory) where there is no
/// room for what it works in, Error(device) where the device fails: after that nothing can be
/// computed on it any more. T = 0 is allowed everywhere and does nothing.
class KVS_API Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;    ///< "cpu" or "cuda"
  virtual std::string description() const = 0;  ///< for people: device, level, threads
  virtual DType activation_type() const = 0;

  virtual void* allocate(size_t bytes) = 0;  ///< 256-byte aligned, uninitialised
  virtual void release(void* memory) noexcept = 0;
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* device, size_t bytes) = 0;
  virtual void zero(void* device, size_t bytes) = 0;
  virtual void synchronize() = 0;

  /// Reads all rows once and keeps them in the backend's own packed form.
  virtual std::unique_ptr<Matrix> make_matrix(int64_t rows, int64_t cols, const RowReader& read,
                                              Compute compute) = 0;

  /// The same of generated rows, part below part: a device makes them itself.
  virtual std::unique_ptr<Matrix> make_random_matrix(std::span<const RandomRows> parts,
                                                     int64_t cols, Compute compute) = 0;

  /// out[t] = table[tokens[t]]. out: [T, cols]; every token in [0, rows of table).
  virtual void embed(Tensor out, const Matrix& table, std::span<const int32_t> tokens) = 0;

  /// out = x * w^T (+ bias) (+ out). x: [T, cols of w]; out: [T, rows of w], aliases neither.
  virtual void matmul(Tensor out, Tensor x, const Matrix& w, const MatmulOptions& options = {}) = 0;

  /// out[t] = x[t] * weight / sqrt(mean(x[t]^2) + eps). x, out: [T, dim], may alias; weight: [dim]
  /// in f32. Source: Zhang & Sennrich 2019, eq. 4.
  virtual void rms_norm(Tensor out, Tensor x, Tensor weight, float eps) = 0;

  /// The same over each of `heads` vectors of D elements, in place, from element `first` of each
  /// row. x: [T, width], first + heads * D <= width; weight: [D] in f32. Source: Qwen3 technical
  /// report 2025, section 2 (QK-Norm).
  virtual void head_norm(Tensor x, int64_t first, int64_t heads, Tensor weight, float eps) = 0;

  /// out = silu(gate) * up. gate_up: [T, 2 F], gate first; out: [T, F].
  /// Source: Shazeer 2020, "GLU Variants Improve Transformer", SwiGLU without bias.
  virtual void swiglu(Tensor out, Tensor gate_up) = 0;

  /// out[i] = x[rows[i]]. x: [T, dim]; out: [rows.size(), dim].
  virtual void gather_rows(Tensor out, Tensor x, std::span<const int32_t> rows) = 0;

  /// Prepares the two operations below for a batch; reused for every layer.
  virtual std::unique_ptr<BatchPlan> plan_batch(const BatchLayout& layout,
                                                const AttentionConfig& config) = 0;

  /// Rotates each row's keys for its position and writes its keys and values to its slot in the
  /// layer. qkv: [T, (H + 2 K) D], not changed. Source: Su et al. 2021 (RoFormer), section 3.4.2.
  virtual void write_kv(Tensor qkv, const BatchPlan& plan, int layer) = 0;

  /// out[t, h] = softmax(scale * q_rot . k) v over the row's visible positions, where q_rot is the
  /// query rotated for (its position - the run's shift), once per distinct shift.
  /// qkv: [T, (H + 2 K) D], only the queries are read; out: [T, H D].
  /// Source: Vaswani et al. 2017, eq. 1; Ainslie et al. 2023 (GQA); design: R(m)'R(h+s) =
  /// R(m-s)'R(h).
  virtual void attention(Tensor out, Tensor qkv, const BatchPlan& plan, int layer) = 0;

  /// mass[p] += the weights that attention() gives to position p in the queries of `rows`, summed
  /// over them, mean over the heads. rows: indices into the batch, ascending, all of one sequence;
  /// their keys and those they see are in the cache. mass: [P] in f32, P beyond the last of their
  /// positions.
  virtual void attention_mass(Tensor mass, Tensor qkv, const BatchPlan& plan, int layer,
                              std::span<const int32_t> rows) = 0;

  /// How far kept rows are from computed ones in one layer, over all heads: out[i] = the sums of
  /// (k - k')^2, (v - v')^2 and |v - v'|, where k' and v' are the kept row's and both keys are
  /// rotated for the same position. out: [pairs, 3] in f32. Of the configuration, the cache and the
  /// frequencies count. Source: Yao et al. 2025 (CacheBlend), section 4.1; KVShare v2
  /// (arXiv 2503.16525), section 4.
  virtual void kv_deviation(Tensor out, std::span<const KvPair> pairs,
                            const AttentionConfig& config, int layer) = 0;

  /// out[t] = (x[t] - mean(x[t])) / sqrt(variance(x[t]) + eps) * weight + bias, with the variance
  /// of the whole row (divided by dim). x, out: [T, dim], may alias; weight, bias: [dim] in f32.
  /// Source: Ba et al. 2016, eq. 4.
  virtual void layer_norm(Tensor out, Tensor x, Tensor weight, Tensor bias, float eps) = 0;

  /// out = x Phi(x) = x (1 + erf(x / sqrt(2))) / 2, not its approximation by tanh. x, out: [T,
  /// dim], may alias. Source: Hendrycks & Gimpel 2016, "Gaussian Error Linear Units".
  virtual void gelu(Tensor out, Tensor x) = 0;

  /// Copies cached rows over all layers; their keys are rotated on, in f32, by `turn` positions, so
  /// that the copies stand with shift 0 where the rows stood with shift `turn` (compaction). A q8
  /// key that is turned gets a scale of its own. No target row is another move's source or target.
  /// Of the configuration, the cache and the frequencies count.
  virtual void move_kv(std::span<const KvMove> moves, const AttentionConfig& config) = 0;

  /// Copies cached rows to host memory as a record of an archive holds them: for each layer K
  /// [kv_heads][count][head_dim] and V, then for q8 the scales of K [kv_heads][count] and of V,
  /// without gaps. The runs' rows follow one another; of a run, block, first and count matter.
  virtual void pack_kv(void* record, std::span<const KvRun> runs, const KvLayout& layout) = 0;

  /// The other way round: to the rows of the runs. `parts`: where the parts of the record lie on
  /// the host, in the order above; two for each layer, four in q8. `memory`: where all of them lie,
  /// or null. It is kept as long as it is needed, and where host_memory() gave it, nothing of it
  /// may change before the rows are there; else the parts may go on return.
  virtual void unpack_kv(std::span<const KvRun> runs, std::span<const std::byte* const> parts,
                         const KvLayout& layout, const HostMemory& memory) = 0;

  /// Memory for records on the host, from which and to which a device copies without a stop in
  /// between; the heap's, where the system has none of that kind. Any thread may ask for it and let
  /// go of it, the latter also when the backend is gone.
  virtual HostMemory host_memory(size_t bytes) {
    return std::make_shared_for_overwrite<std::byte[]>(bytes);
  }

  /// The `count` largest logits of each row, in falling order; of equal ones the lower token comes
  /// first, NaN behind all. Those at `apart`, distinct places, do not compete: their values go to
  /// `values`, and the tensor holds NaN there from now on. Waits.
  /// logits: [T, vocab]; top: [T, count] on the host, count in [1, kMostTopLogits] and up to vocab;
  /// values: [apart.size()] on the host.
  static constexpr int kMostTopLogits = 64;
  virtual void top_logits(std::span<TopLogit> top, Tensor logits, std::span<const LogitPlace> apart,
                          std::span<float> values) = 0;

  virtual MachineLimits measure_limits(Compute compute) = 0;

  /// For the steps of one owner, who keeps what they use for as long as the runner is there; null
  /// where nothing is gained by it.
  virtual std::unique_ptr<StepRunner> make_step_runner() { return nullptr; }
};

struct BackendOptions {
  std::string device = "auto";     ///< auto, cpu, cuda or cuda:N
  int threads = 0;                 ///< of the CPU; 0: as many as this process may use
  std::string cpu_level = "auto";  ///< auto, avx512, avx2 or portable
  /// Only kernels whose result for a row does not depend on what else is in the batch. Those of the
  /// CPU are all so; CUDA's are not yet.
  bool deterministic = false;
  /// Told why "auto" takes the CPU and not a CUDA device, and what a device has to do without.
  std::function<void(std::string_view reason)> note{};
};

/// Throws Error(argument) for an unknown device or level, Error(device) for a level this CPU
/// lacks, for "cuda" without a device, and for "cuda" with `deterministic`; Error(memory) where the
/// device has no room at all. "auto" takes the CPU in such cases.
KVS_API std::unique_ptr<Backend> make_backend(const BackendOptions& options);

/// Memory on a backend. Move-only; the backend must outlive it.
class KVS_API Buffer {
 public:
  Buffer(Backend& backend, DType type, const Shape& shape);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  const Tensor& tensor() const { return tensor_; }

 private:
  Backend* backend_;
  Tensor tensor_;
};

}  // namespace kvs
