#include "tools/kv_maker.h"

#include <algorithm>

#include "kvs/error.h"
#include "tools/model_path.h"
#include "tools/progress.h"

namespace kvs {
namespace {

KvCodec codec_of(const std::string& name) {
  if (const auto codec = find_codec(name)) return *codec;
  fail(ErrorKind::argument, "unknown codec '{}', expected raw, shuffle, q8 or q4", name);
}

}  // namespace

KvMaker::KvMaker(const KvMakerOptions& options)
    : kv_type_(kv_type_from_name(options.kv_type)), codec_(codec_of(options.codec)) {
  backend_ = make_backend(options.compute.backend);
  Progress progress("loading", "matrices", 0);
  model_ =
      std::make_unique<Model>(resolve_model(options.model), *backend_,
                              ModelOptions{.compute = options.compute.compute,
                                           .prompts = options.prompts,
                                           .progress = [&](int64_t, int64_t) { progress.add(); }});
  const auto block = static_cast<int64_t>(model_->transformer().kv_layout(kv_type_).block_bytes());
  engine_ = std::make_unique<Engine>(
      model_->transformer(), nullptr,
      EngineOptions{.max_blocks = std::max<int64_t>(2, options.memory_mb * (1 << 20) / block),
                    .kv_type = kv_type_});
}

std::unique_ptr<KvArchiver> KvMaker::archiver(ArchiveWriter& writer) const {
  return std::make_unique<KvArchiver>(writer, model_->fingerprint(), codec_);
}

void KvMaker::add(PromptRecord record, KvArchiver& archiver) {
  Task task{.id = record.id,
            .tokens = record.tokens,
            .tenant = record.tenant,
            .max_tokens = 0,
            .reuse = {.mode = ReuseMode::exact}};
  task.on_prompt = [&](const LayeredView& view) {
    archiver.add(engine_->pool(), view.top(), std::move(record));
  };
  const Response response = engine_->run(std::move(task));
  if (response.finish_reason == "error") fail(ErrorKind::memory, "{}", response.error);
}

}  // namespace kvs
