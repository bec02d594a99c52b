#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kvs/engine.h"
#include "kvs/kv_archive.h"
#include "kvs/model.h"
#include "tools/compute_options.h"

namespace kvs {

struct KvMakerOptions {
  std::string model;
  std::string kv_type;
  std::string codec;
  int64_t memory_mb = 0;  ///< for keys and values at most
  PromptEncoder::Options prompts;
  ComputeOptions compute;
};

/// Computes prompts and puts their keys and values into archives. Earlier prompts are donors of
/// exact prefixes, so that shared text is computed once.
class KvMaker {
 public:
  explicit KvMaker(const KvMakerOptions& options);

  const Model& model() const { return *model_; }
  ArchiveHeader header() const { return model_->archive_header(kv_type_, "kvs-embed"); }
  /// Writes what add() makes; the writer must outlive it.
  std::unique_ptr<KvArchiver> archiver(ArchiveWriter& writer) const;
  void add(PromptRecord record, KvArchiver& archiver);

 private:
  DType kv_type_;
  KvCodec codec_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace kvs
