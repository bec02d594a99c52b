#include "backend/batch_rules.h"

#include <limits>

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr int64_t kMaxPositions = std::numeric_limits<int32_t>::max() - kBlockTokens;

void check_config(const AttentionConfig& config) {
  const KvLayout& kv = config.kv;
  if (kv.layers < 1 || kv.kv_heads < 1) {
    fail(ErrorKind::mismatch, "attention: expected at least one layer and KV head, found {} and {}",
         kv.layers, kv.kv_heads);
  }
  if (kv.head_dim < 8 || kv.head_dim % 8 != 0 || kv.head_dim > kMaxBatchHeadDim) {
    fail(ErrorKind::mismatch, "attention: head_dim is {}, expected a multiple of 8 up to {}",
         kv.head_dim, kMaxBatchHeadDim);
  }
  if (config.heads < 1 || config.heads % kv.kv_heads != 0) {
    fail(ErrorKind::mismatch, "attention: expected a multiple of {} query heads, found {}",
         kv.kv_heads, config.heads);
  }
  if (config.window < 0) {
    fail(ErrorKind::mismatch, "attention: window is {}, expected at least 0", config.window);
  }
  if (config.inverse_frequencies.size() != static_cast<size_t>(kv.head_dim) / 2) {
    fail(ErrorKind::mismatch, "attention: expected {} inverse frequencies, found {}",
         kv.head_dim / 2, config.inverse_frequencies.size());
  }
}

/// How many positions the runs of a sequence span.
int64_t check_runs(const BatchSequence& sequence, size_t index) {
  int64_t position = 0;
  for (size_t i = 0; i < sequence.runs.size(); ++i) {
    const KvRun& run = sequence.runs[i];
    if (!run.block) fail(ErrorKind::mismatch, "batch: sequence {}: run {} has no block", index, i);
    if (run.count < 1 || run.first < 0 || run.first > kBlockTokens - run.count) {
      fail(ErrorKind::mismatch,
           "batch: sequence {}: run {} has rows [{}, {} + {}) of a block of {}", index, i,
           run.first, run.first, run.count, kBlockTokens);
    }
    if (run.position != position) {
      fail(ErrorKind::mismatch, "batch: sequence {}: run {} begins at position {}, expected {}",
           index, i, run.position, position);
    }
    position += run.count;
    if (position > kMaxPositions) {
      fail(ErrorKind::mismatch, "batch: sequence {}: more than {} positions", index, kMaxPositions);
    }
  }
  return position;
}

}  // namespace

void check_batch(const BatchLayout& layout, const AttentionConfig& config) {
  check_config(config);
  std::vector<int64_t> spans(layout.sequences.size());
  for (size_t i = 0; i < spans.size(); ++i) spans[i] = check_runs(layout.sequences[i], i);

  std::vector<bool> seen(spans.size());
  for (size_t i = 0; i < layout.rows.size(); ++i) {
    const BatchRow& row = layout.rows[i];
    if (row.sequence < 0 || static_cast<size_t>(row.sequence) >= spans.size()) {
      fail(ErrorKind::mismatch, "batch: row {} belongs to sequence {}, there are {}", i,
           row.sequence, spans.size());
    }
    const bool continues = i > 0 && layout.rows[i - 1].sequence == row.sequence;
    const auto sequence = static_cast<size_t>(row.sequence);
    if (!continues && seen[sequence]) {
      fail(ErrorKind::mismatch, "batch: row {}: the rows of sequence {} are not contiguous", i,
           row.sequence);
    }
    seen[sequence] = true;
    if (row.position < 0 || row.position >= spans[sequence]) {
      fail(ErrorKind::mismatch, "batch: row {} is at position {}, its sequence has runs for {}", i,
           row.position, spans[sequence]);
    }
    if (continues && row.position < layout.rows[i - 1].position) {
      fail(ErrorKind::mismatch, "batch: row {} is at position {}, behind a row at {}", i,
           row.position, layout.rows[i - 1].position);
    }
    if (row.block && (row.slot < 0 || row.slot >= kBlockTokens)) {
      fail(ErrorKind::mismatch, "batch: row {} goes to slot {} of a block of {}", i, row.slot,
           kBlockTokens);
    }
  }
}

}  // namespace kvs
