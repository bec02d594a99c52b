#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "kvs/backend.h"
#include "kvs/batch.h"
#include "kvs/hash.h"
#include "model/bert_config.h"
#include "model/bert_weights.h"

namespace kvs {

/// An encoder of the BERT family on a backend: learned positions, attention in both directions,
/// layer norms behind the residual sums, GELU. Source: Devlin et al. 2019, section 3; Vaswani et
/// al. 2017, section 3.1. Computes in f32, so that embeddings agree from device to device.
class Encoder {
 public:
  /// Texts in one forward pass have at most so many tokens together, or are one text.
  static constexpr int kMaxRows = 512;

  /// Throws what BertWeights throws. The backend must outlive it.
  Encoder(const std::filesystem::path& directory, const BertConfig& config, Backend& backend);

  /// The texts' pooled states, one row of `hidden` after another, not normalised: one forward pass.
  /// Each text has at most max_tokens tokens, all of the vocabulary; together at most kMaxRows, or
  /// it is one text.
  std::vector<float> encode(std::span<const std::vector<int32_t>> texts) const;

  const BertConfig& config() const { return config_; }
  Hash128 fingerprint() const { return weights_.fingerprint(); }

 private:
  Tensor rows_of(const Buffer& buffer, int64_t rows) const { return buffer.tensor().rows(0, rows); }
  BatchLayout lay_out(std::span<const std::vector<int32_t>> texts) const;
  void embed(std::span<const std::vector<int32_t>> texts, int64_t rows) const;
  void run_layer(const BertLayer& layer, const BatchPlan& plan, int64_t rows) const;

  BertConfig config_;
  Backend& backend_;
  BertWeights weights_;
  KvLayout layout_;
  Buffer x_, qkv_, attended_, wide_;  // [rows, ...]
  Buffer blocks_;                     // one layer's keys and values of all rows
};

}  // namespace kvs
