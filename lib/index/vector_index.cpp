#include "kvs/vector_index.h"

#include <dlfcn.h>

#include "index/faiss_module.h"
#include "index/vector_file.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr int kMaxDims = 65'536;

// libkvs_faiss.so, which lies beside libkvs.so.
struct FaissModule {
  decltype(&kvs_new_faiss_flat) new_flat = nullptr;
  std::string missing;  // why it is null
};

FaissModule load_faiss_module() {
  void* library = dlopen("libkvs_faiss.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) return {.missing = dlerror()};

  FaissModule module;
  module.new_flat =
      reinterpret_cast<decltype(module.new_flat)>(dlsym(library, "kvs_new_faiss_flat"));
  if (!module.new_flat) module.missing = "libkvs_faiss.so: of another version";
  return module;
}

const FaissModule& faiss_module() {
  static const FaissModule module = load_faiss_module();
  return module;
}

}  // namespace

VectorIndex::~VectorIndex() = default;

std::unique_ptr<VectorIndex> make_vector_index(int dims, std::string_view factory) {
  if (dims < 1 || dims > kMaxDims)
    fail(ErrorKind::argument, "vector index: {} dimensions, expected 1 to {}", dims, kMaxDims);
  if (factory != "Flat")
    fail(ErrorKind::argument, "vector index: unknown factory '{}', expected Flat", factory);
  const FaissModule& faiss = faiss_module();
  if (!faiss.new_flat) fail(ErrorKind::io, "semantic search needs FAISS: {}", faiss.missing);
  return std::unique_ptr<VectorIndex>(faiss.new_flat(dims));
}

std::unique_ptr<VectorIndex> read_vector_index(std::span<const std::byte> bytes,
                                               std::string_view source) {
  const VectorFile file = read_vectors(bytes, source);
  std::unique_ptr<VectorIndex> index = make_vector_index(file.dims, file.factory);
  index->add(file.vectors);
  return index;
}

}  // namespace kvs
