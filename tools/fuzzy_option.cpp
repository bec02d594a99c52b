#include "tools/fuzzy_option.h"

#include "kvs/error.h"
#include "tools/model_path.h"

namespace kvs {

void add_fuzzy_option(CLI::App& app, double& threshold) {
  app.add_option("--fuzzy", threshold,
                 "Inside edits rows may serve other tokens from this cosine on; 0: never")
      ->type_name("COSINE")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
}

FuzzyTokens::FuzzyTokens(double threshold, const std::string& model) {
  if (threshold == 0) return;
  if (model.empty())
    fail(ErrorKind::argument, "--fuzzy compares tokens' embeddings: give -m MODEL");
  embeddings_.emplace(open_model_files(resolve_model(model)));
}

TokenCosines FuzzyTokens::cosines() const {
  if (!embeddings_) return {};
  return [this](std::span<const int32_t> targets, std::span<const int32_t> donors) {
    return embeddings_->cosines(targets, donors);
  };
}

}  // namespace kvs
