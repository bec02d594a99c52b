#include "kvs/model.h"

#include <chrono>
#include <filesystem>

#include "kvs/error.h"
#include "kvs/model_files.h"

namespace kvs {
namespace {

const char* compute_name(Compute compute) {
  return compute == Compute::f32 ? "f32" : "bf16";
}

}  // namespace

Model::Model(const std::string& name, Backend& backend, const ModelOptions& options)
    : prompts_(name, options.prompts) {
  const auto files = open_model_files(name);
  name_ = name.starts_with("random:") ? name : std::filesystem::path(name).stem().string();
  fingerprint_ = fmt::format("{}-{}", to_hex(files->fingerprint()), compute_name(options.compute));
  transformer_ = std::make_unique<Transformer>(backend, *files, options.compute, options.progress);
}

ArchiveHeader Model::archive_header(DType kv_type, std::string creator) const {
  using std::chrono::system_clock;
  return {.model = name_,
          .fingerprint = fingerprint_,
          .tokenizer = prompts_.tokenizer_hash(),
          .layout = transformer_->kv_layout(kv_type),
          .creator = std::move(creator),
          .time = system_clock::to_time_t(system_clock::now())};
}

DType kv_type_from_name(std::string_view name) {
  for (const DType type : {DType::f16, DType::bf16, DType::f32, DType::q8})
    if (name == dtype_name(type)) return type;
  fail(ErrorKind::argument, "unknown KV type '{}', expected f16, bf16, f32 or q8", name);
}

}  // namespace kvs
