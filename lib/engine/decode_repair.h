#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kvs/transformer.h"

namespace kvs {

/// Which kept rows of a prompt are computed while its answer is decoded: those first for which the
/// attention of the answer's tokens so far, times how far off the row is expected to be, is
/// highest. Source: KVShare v2 (arXiv 2503.16525v2), its second stage, whose order comes from the
/// prompt; here it is the attention that rows really receive. Rows come in bursts, those of some
/// steps at once, since many rows in one step cost less than few in each.
class DecodeRepair {
 public:
  static constexpr int64_t kBurst = 4;  ///< steps whose rows are taken at once, the first early

  struct Row {
    int64_t position;
    double deviation;  ///< expected_deviation()
  };

  /// `kept`: the rows that may be repaired, ascending. `positions`: of prompt and answer at most.
  /// `rows`: so many a step on average, and kBurst times as many in one.
  DecodeRepair(Transformer& transformer, std::vector<Row> kept, int64_t positions, int64_t rows);

  /// Takes the rows to compute next, at most `room`: their positions, ascending. None before
  /// attention was seen.
  std::vector<int64_t> take(int64_t room);

  /// To be called after each layer's attention; `row` of the batch is the token being decoded. A
  /// few layers are looked at.
  void observe(int layer, const Tensor& qkv, const BatchPlan& plan, int32_t row);

  int64_t most_rows() const { return kBurst * rows_; }  ///< in one step

 private:
  Transformer& transformer_;
  std::vector<Row> kept_;  // not repaired yet
  Buffer mass_;            // [positions]
  int64_t rows_;
  int64_t steps_ = 0;  // behind the first one seen
  bool seen_ = false;
};

}  // namespace kvs
