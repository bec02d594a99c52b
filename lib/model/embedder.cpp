#include "kvs/embedder.h"

#include "kvs/error.h"

namespace kvs {

std::vector<std::vector<float>> Embedder::embed_all(
    std::span<const std::span<const int32_t>> prompts) const {
  std::vector<std::vector<float>> embeddings;
  embeddings.reserve(prompts.size());
  for (const std::span<const int32_t> tokens : prompts) embeddings.push_back(embed(tokens));
  return embeddings;
}

void require_embedder(const Embedder& embedder, const std::string& found,
                      const std::string& source) {
  if (embedder.name() != found)
    fail(ErrorKind::mismatch, "{}: has embeddings of '{}', the embedder in use is '{}'", source,
         found, embedder.name());
}

}  // namespace kvs
